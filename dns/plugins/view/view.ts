import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { className, parseAddress, typeName } from '../../wire/index.ts'
import { labelOf } from '../metadata/metadata.ts'
import { ExpressionError, type Functions } from './expression.ts'

/** What expressions are about. */
export interface ViewContext {
  readonly query: Query
  readonly plugins: readonly Plugin[]
}

/** The functions of CoreDNS's *view*. */
export const viewFunctions: Functions<ViewContext> = {
  bufsize: ({ query }) => query.bufferSize,
  class: ({ query }) => className(query.class),
  client_ip: ({ query }) => plainAddress(query.peer.clientAddress),
  do: ({ query }) => query.dnssecOk,
  id: ({ query }) => query.id,
  name: ({ query }) => query.name,
  opcode: ({ query }) => query.opcode,
  port: ({ query }) => String(query.peer.clientPort),
  proto: ({ query }) => (query.peer.transport === 'udp' ? 'udp' : 'tcp'),
  server_ip: ({ query }) => plainAddress(query.peer.localAddress),
  server_port: ({ query }) => String(query.peer.localPort),
  size: ({ query }) => query.size,
  type: ({ query }) => typeName(query.type),
  incidr: (_, [address, network]) => inNetwork(String(address), String(network)),
  len: (_, [value]) => (Array.isArray(value) ? value : String(value)).length,
  lower: (_, [text]) => String(text).toLowerCase(),
  upper: (_, [text]) => String(text).toUpperCase(),
  trim: (_, [text]) => String(text).trim(),
  hasPrefix: (_, [text, start]) => String(text).startsWith(String(start)),
  hasSuffix: (_, [text, end]) => String(text).endsWith(String(end)),
  indexOf: (_, [text, part]) => String(text).indexOf(String(part)),
  int: (_, [text]) => Number.parseInt(String(text), 10),
  string: (_, [value]) => String(value),
  metadata: ({ query, plugins }, [label]) => labelOf(plugins, query, String(label)) ?? '',
}

function plainAddress(address: string): string {
  return address.replace(/%.*$/, '')
}

function inNetwork(address: string, network: string): boolean {
  const [base = '', length] = network.split('/')
  const a = parseAddress(address)
  const b = parseAddress(base)
  if (b === undefined) throw new ExpressionError(`'${network}' is no network`)
  if (a === undefined || a.length !== b.length) return false
  let bits = length === undefined ? b.length * 8 : Number(length)
  for (let i = 0; bits > 0; i += 1, bits -= 8) {
    const mask = (0xff << Math.max(0, 8 - bits)) & 0xff
    if ((((a[i] ?? 0) ^ (b[i] ?? 0)) & mask) !== 0) return false
  }
  return true
}

/** Tells the name of the view its block was chosen by; the choice itself happens before the chain. */
export class ViewPlugin implements Plugin {
  readonly name = 'view'
  readonly #view: string

  constructor(view: string) {
    this.#view = view
  }

  label(_: Query, name: string): string | undefined {
    return name === 'view/name' ? this.#view : undefined
  }

  handle(query: Query, next: Next): Outcome {
    return next(query)
  }
}
