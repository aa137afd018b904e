import { compileRegex } from '../../route/index.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'
import {
  listedOrigins,
  ORIGINS,
  type Origins,
  originsByMetadata,
  originsByRegex,
  SOURCES,
} from './origins.ts'

const ALL_METHODS = 'GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE'

interface Conf {
  readonly allow_origins: string
  readonly allow_methods: string
  readonly allow_headers: string
  readonly expose_headers?: string
  readonly max_age: number
  readonly allow_credential: boolean
  readonly allow_origins_by_regex?: readonly string[]
  readonly allow_origins_by_metadata?: readonly string[]
  readonly timing_allow_origins?: string
  readonly timing_allow_origins_by_regex?: readonly string[]
}

/** The origins that may see timing: named by the regular expressions if there are any, else by the list. */
function timingOrigins(own: Conf): Origins | undefined {
  if (own.timing_allow_origins_by_regex !== undefined)
    return originsByRegex(own.timing_allow_origins_by_regex)
  return own.timing_allow_origins === undefined ? undefined : listedOrigins(own.timing_allow_origins)
}

/** Cross-origin resource sharing: answers preflights, adds the response fields. */
export const cors: Plugin = {
  name: 'cors',
  priority: 4000,
  schema: {
    type: 'object',
    properties: {
      allow_origins: { ...ORIGINS, default: '*' },
      allow_methods: { type: 'string', default: '*' },
      allow_headers: { type: 'string', default: '*' },
      expose_headers: { type: 'string' },
      max_age: { type: 'integer', default: 5 },
      allow_credential: { type: 'boolean', default: false },
      allow_origins_by_regex: SOURCES,
      allow_origins_by_metadata: SOURCES,
      timing_allow_origins: ORIGINS,
      timing_allow_origins_by_regex: SOURCES,
    },
  },
  metadataSchema: {
    type: 'object',
    properties: { allow_origins: { type: 'object', additionalProperties: ORIGINS } },
  },
  check(conf) {
    const own = conf as unknown as Conf
    const { allow_origins, allow_methods, allow_headers, expose_headers, timing_allow_origins } = own
    const options = [allow_origins, allow_methods, allow_headers, expose_headers, timing_allow_origins]
    if (own.allow_credential && options.includes('*'))
      return "you can not set '*' for other option when 'allow_credential' is true"
    const sources = [own.allow_origins_by_regex, own.timing_allow_origins_by_regex]
    try {
      for (const source of sources.flatMap((list) => list ?? [])) compileRegex(source)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return undefined
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const { allow_origins_by_regex: regexes, allow_origins_by_metadata: names } = own
    const metadata = names && originsByMetadata(names, environment.metadata)
    const local = regexes === undefined ? listedOrigins(own.allow_origins) : originsByRegex(regexes)
    // The default for all would make the named lists pointless.
    const listed = metadata === undefined || own.allow_origins !== '*' || regexes !== undefined
    const timing = timingOrigins(own)
    // What the client said: other plugins may change the field.
    const asked = new PerRequest<string>()
    return {
      rewrite(context) {
        const from = context.exchange.headers.get('origin')
        if (from !== undefined) asked.set(context, from)
        return context.method === 'OPTIONS' ? { status: 200, body: '' } : undefined
      },
      headerFilter(context, { headers }) {
        const from = asked.get(context)
        // Of the regular expressions too: a cache must not give one origin's answer to another.
        if (own.allow_origins !== '*' || regexes !== undefined || metadata !== undefined)
          headers.add('Vary', 'Origin')
        const mayTime = timing?.(from)
        if (mayTime !== undefined) headers.set('Timing-Allow-Origin', mayTime)
        const origin = metadata?.(from) ?? (listed ? local(from) : undefined)
        if (origin === undefined) return
        headers.set('Access-Control-Allow-Origin', origin)
        headers.set(
          'Access-Control-Allow-Methods',
          own.allow_methods === '**' ? ALL_METHODS : own.allow_methods,
        )
        headers.set('Access-Control-Max-Age', String(own.max_age))
        const wanted = context.exchange.headers.get('access-control-request-headers')
        const allowed = own.allow_headers === '**' ? wanted : own.allow_headers
        if (allowed !== undefined) headers.set('Access-Control-Allow-Headers', allowed)
        if (own.expose_headers !== undefined && own.expose_headers !== '')
          headers.set('Access-Control-Expose-Headers', own.expose_headers)
        if (own.allow_credential) headers.set('Access-Control-Allow-Credentials', 'true')
      },
    }
  },
}
