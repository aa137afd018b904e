import { graphqlOperations } from '../graphql/index.ts'
import type { Exchange } from '../http/index.ts'
import { isObject, type ObjectChange } from '../objects/index.ts'
import { queryArgument } from '../route/index.ts'

/** Bodies beyond this are not read for variables: 413. */
export const BODY_LIMIT = 64 * 1024 * 1024
const GRAPHQL_LIMIT = 1024 * 1024
const READABLE =
  /^(?:application\/(?:json|graphql|x-www-form-urlencoded)|multipart\/form-data|[^;]+\+json)\s*(?:;|$)/i

type Value = string | number | undefined

/** Which objects ask for what is in the bodies of requests: only then bodies are read before the route is looked for. */
export class BodyUse {
  readonly #objects = new Set<string>()

  apply({ kind, id, value }: ObjectChange): void {
    const key = `${kind}/${id}`
    if (asksForBody(value)) this.#objects.add(key)
    else this.#objects.delete(key)
  }

  get wanted(): boolean {
    return this.#objects.size > 0
  }
}

function asksForBody(value: unknown): boolean {
  if (typeof value === 'string') return /post_arg[_.]|graphql_/.test(value)
  if (Array.isArray(value)) return value.some(asksForBody)
  return isObject(value) && Object.values(value).some(asksForBody)
}

/** Whether a request has a body that variables can be read from. */
export function hasReadableBody({ body, headers }: Exchange): boolean {
  return body.kind !== 'none' && READABLE.test(headers.get('content-type') ?? '')
}

/** Variables from a body that is in memory: post_arg_<name>, post_arg.<path>, graphql_<operation, name, root_fields>. */
export class BodyVariables {
  readonly #body: Buffer
  readonly #type: string
  readonly #query: string
  #fields: unknown
  #graphql: Readonly<Record<string, string>> | undefined

  constructor(body: Buffer, type: string, query: string) {
    this.#body = body
    this.#type = type
    this.#query = query
  }

  read(name: string): Value {
    if (name.startsWith('graphql_')) return this.#graphqlVariables()[name.slice(8)]
    this.#fields ??= this.#parse()
    if (name.startsWith('post_arg.')) return scalar(at(this.#fields, name.slice(9)))
    // A form only, as in nginx's days.
    return /^application\/json/i.test(this.#type) ? undefined : scalar(at(this.#fields, name.slice(9)))
  }

  #parse(): unknown {
    const text = () => this.#body.toString('utf8')
    if (/^multipart\//i.test(this.#type)) return multipart(this.#body, this.#type)
    if (!/json/i.test(this.#type.split(';')[0] ?? '')) return Object.fromEntries(firsts(text()))
    try {
      return JSON.parse(text())
    } catch {
      return {}
    }
  }

  #graphqlVariables(): Readonly<Record<string, string>> {
    this.#graphql ??= this.#parseGraphql()
    return this.#graphql
  }

  #parseGraphql(): Readonly<Record<string, string>> {
    const text = this.#graphqlText()
    try {
      const [first] = text === undefined ? [] : graphqlOperations(text)
      if (first === undefined) return {}
      return { operation: first.type, name: first.name, root_fields: first.rootFields.join(',') }
    } catch {
      return {}
    }
  }

  #graphqlText(): string | undefined {
    if (this.#body.length === 0) return queryArgument(this.#query, 'query')
    if (this.#body.length > GRAPHQL_LIMIT) return undefined
    if (/^application\/graphql/i.test(this.#type)) return this.#body.toString('utf8')
    this.#fields ??= this.#parse()
    const query = at(this.#fields, 'query')
    return typeof query === 'string' ? query : undefined
  }
}

/** The first value of each name. */
function firsts(form: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(form)) if (!fields.has(name)) fields.set(name, value)
  return fields
}

/** Fields of a form that are no files. */
function multipart(body: Buffer, type: string): Record<string, string> {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type)
  const mark = boundary?.[1] ?? boundary?.[2]
  if (mark === undefined) return {}
  const fields: Record<string, string> = {}
  for (const part of `\r\n${body.toString('utf8')}`.split(`\r\n--${mark}`)) {
    const end = part.indexOf('\r\n\r\n')
    const head = end === -1 ? '' : part.slice(0, end)
    const name = /^content-disposition:[^\r\n]*?;\s*name="([^"]*)"/im.exec(head)?.[1]
    if (name === undefined || /;\s*filename\*?=/i.test(head)) continue
    fields[name] ??= part.slice(end + 4)
  }
  return fields
}

/** The value at a path such as `model.messages[0].content`. */
function at(value: unknown, path: string): unknown {
  let found = value
  for (const [, name, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    if (index !== undefined && name === undefined)
      found = Array.isArray(found) ? found[Number(index)] : undefined
    else found = isObject(found) && Object.hasOwn(found, name ?? '') ? found[name ?? ''] : undefined
  }
  return found
}

function scalar(value: unknown): Value {
  if (typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map(scalar).join(',')
  return undefined
}
