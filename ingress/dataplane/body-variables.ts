import { graphqlOperations } from '../graphql/index.ts'
import type { Exchange } from '../http/index.ts'
import { isObject, type ObjectChange } from '../objects/index.ts'
import { queryArgument } from '../route/index.ts'

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

/** Whether a request has a body of at most `limit` bytes that variables can be read from: without a type it may be GraphQL. */
export function hasReadableBody({ body, headers }: Exchange, limit: number): boolean {
  if (body.kind === 'none' || (body.kind === 'length' && body.remaining > limit)) return false
  const type = headers.get('content-type')
  return type === undefined || READABLE.test(type)
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
    if (this.#type === '' || /^application\/graphql/i.test(this.#type)) return this.#body.toString('utf8')
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
  for (const part of `\n${body.toString('utf8')}`.split(new RegExp(`\\r?\\n--${RegExp.escape(mark)}`))) {
    const [head = ''] = part.split(/\r?\n\r?\n/, 1)
    const name = /^content-disposition:[^\r\n]*?;\s*name="([^"]*)"/im.exec(head)?.[1]
    if (name === undefined || /;\s*filename\*?=/i.test(head)) continue
    fields[name] ??= part.slice(head.length).replace(/^\r?\n\r?\n/, '')
  }
  return fields
}

/** The value at a path such as `model.messages[0].content`; `[*]` stands for every element: a list of what is found then. */
function at(value: unknown, path: string): unknown {
  let found: readonly unknown[] = [value]
  for (const [step] of path.matchAll(/[^.[\]]+|\[(?:\d+|\*)\]/g))
    found = found.flatMap((one) => stepInto(one, step)).filter((one) => one !== undefined)
  return path.includes('[*]') && found.length > 0 ? found : found[0]
}

function stepInto(value: unknown, step: string): unknown {
  if (step === '[*]') return Array.isArray(value) ? value : []
  // flatMap must not open a list that is itself the value.
  if (step.startsWith('[')) return Array.isArray(value) ? [value[Number(step.slice(1, -1))]] : []
  return isObject(value) && Object.hasOwn(value, step) ? [value[step]] : []
}

function scalar(value: unknown): Value {
  if (typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map(scalar).join(',')
  return undefined
}
