import { createRequire } from 'node:module'
import type protobuf from 'protobufjs'

const require = createRequire(import.meta.url)

/** protobufjs is loaded with the first definition: most gateways have none. */
const library = (): typeof protobuf => require('protobufjs')

/**
 * The definitions of a `protos` object: the text of a .proto file, or a FileDescriptorSet (`protoc --include_imports -o`) in
 * base64. Throws an Error that says what is wrong.
 */
export function loadDefinitions(content: string): protobuf.Root {
  const { parse, Root } = library()
  const root = new Root()
  try {
    parse(content, root, { keepCase: true })
  } catch (error) {
    const set = asDescriptorSet(content)
    if (set === undefined) throw error
    return set
  }
  root.resolveAll()
  return root
}

function asDescriptorSet(content: string): protobuf.Root | undefined {
  if (!/^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(content)) return undefined
  // It adds fromDescriptor to Root.
  const { FileDescriptorSet } = require('protobufjs/ext/descriptor') as {
    FileDescriptorSet: protobuf.Type
  }
  const { Root } = library() as unknown as {
    Root: { fromDescriptor(set: protobuf.Message): protobuf.Root }
  }
  try {
    const root = Root.fromDescriptor(FileDescriptorSet.decode(Buffer.from(content, 'base64')))
    root.resolveAll()
    return root
  } catch {
    return undefined
  }
}

/** A method with the types it takes and gives. */
export interface Method {
  /** `/package.Service/Method` */
  readonly path: string
  readonly request: protobuf.Type
  readonly response: protobuf.Type
  readonly root: protobuf.Root
}

/** undefined if the definitions have no such method. */
export function findMethod(root: protobuf.Root, service: string, name: string): Method | undefined {
  try {
    const method = root.lookupService(service).methods[name]
    method?.resolve()
    const { resolvedRequestType: request, resolvedResponseType: response } = method ?? {}
    if (request == null || response == null) return undefined
    return { path: `/${service}/${name}`, request, response, root }
  } catch {
    return undefined
  }
}

/** undefined if the definitions have no such message. */
export function findType(root: protobuf.Root, name: string): protobuf.Type | undefined {
  try {
    return root.lookupType(name)
  } catch {
    return undefined
  }
}
