import type { RequestContext } from '../../dataplane/context.ts'
import { BodyTooLarge } from '../../http/index.ts'
import { call } from '../http-call.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly uri: string
  readonly allow_degradation: boolean
  readonly status_on_error: number
  readonly ssl_verify: boolean
  readonly request_method: 'GET' | 'POST'
  readonly max_req_body_size: number
  readonly request_headers?: readonly string[]
  readonly upstream_headers?: readonly string[]
  readonly client_headers?: readonly string[]
  readonly extra_headers?: Readonly<Record<string, string>>
  readonly timeout: number
}

const NAMES = { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true } as const

function question(context: RequestContext, own: Conf): Record<string, string> {
  const headers: Record<string, string> = {
    'X-Forwarded-Proto': context.scheme,
    'X-Forwarded-Method': context.method,
    'X-Forwarded-Host': context.rawHost,
    'X-Forwarded-Uri': String(context.variables('request_uri') ?? ''),
    'X-Forwarded-For': context.remoteAddr,
  }
  const coding = own.request_method === 'POST' ? context.exchange.headers.get('content-encoding') : undefined
  if (coding !== undefined) headers['Content-Encoding'] = coding
  for (const [name, value] of Object.entries(own.extra_headers ?? {}))
    headers[name] = context.expand(String(value))
  const said = new Set(Object.keys(headers).map((name) => name.toLowerCase()))
  // What the gateway says itself is not the client's to say.
  for (const name of own.request_headers ?? []) {
    const value = said.has(name.toLowerCase()) ? undefined : context.exchange.headers.get(name)
    if (value !== undefined) headers[name] = value
  }
  return headers
}

function chosen(
  names: readonly string[] | undefined,
  from: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of names ?? []) {
    const value = from[name.toLowerCase()]
    if (value !== undefined) found[name] = [value].flat().join(', ')
  }
  return found
}

/** Asks another service whether a request may pass. */
export const forwardAuth: Plugin = {
  name: 'forward-auth',
  priority: 2002,
  schema: {
    type: 'object',
    properties: {
      uri: { type: 'string', pattern: '^https?://' },
      allow_degradation: { type: 'boolean', default: false },
      status_on_error: { type: 'integer', minimum: 200, maximum: 599, default: 403 },
      ssl_verify: { type: 'boolean', default: true },
      request_method: { type: 'string', enum: ['GET', 'POST'], default: 'GET' },
      max_req_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
      request_headers: NAMES,
      extra_headers: { type: 'object' },
      upstream_headers: NAMES,
      client_headers: NAMES,
      timeout: { type: 'integer', minimum: 1, maximum: 60_000, default: 3000 },
      keepalive: { type: 'boolean', default: true },
      keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
    },
    required: ['uri'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const decide = async (context: RequestContext): Promise<PluginAnswer | undefined> => {
      try {
        const post = own.request_method === 'POST'
        // First, as extra_headers may name what is in it.
        const body = post ? await context.exchange.collectBody(own.max_req_body_size) : undefined
        const answer = await call({
          url: own.uri,
          method: own.request_method,
          headers: question(context, own),
          body,
          timeoutMs: own.timeout,
          verify: own.ssl_verify,
        })
        if (answer.status >= 300) {
          const headers = chosen(own.client_headers, answer.headers)
          return { status: answer.status, body: answer.body.toString('utf8'), headers }
        }
        const granted = chosen(own.upstream_headers, answer.headers)
        for (const name of own.upstream_headers ?? []) {
          // What the service did not say must not come from the client (CVE-2026-39998).
          const value = granted[name]
          if (value === undefined) context.exchange.headers.remove(name)
          else context.exchange.headers.set(name, value)
        }
        return undefined
      } catch (error) {
        if (error instanceof BodyTooLarge) return { status: 413 }
        environment.log.warn(
          { plugin: 'forward-auth', uri: own.uri, err: error },
          'no answer about a request',
        )
        return own.allow_degradation ? undefined : { status: own.status_on_error }
      }
    }
    return { access: decide }
  },
}
