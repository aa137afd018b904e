import type { RequestContext } from '../../dataplane/context.ts'
import { compileRegex } from '../../route/index.ts'
import type { Plugin } from '../plugin.ts'

const ALL_METHODS = 'GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE'

interface Conf {
  readonly allow_origins: string
  readonly allow_methods: string
  readonly allow_headers: string
  readonly expose_headers?: string
  readonly max_age: number
  readonly allow_credential: boolean
  readonly allow_origins_by_regex?: readonly string[]
}

/** Cross-origin resource sharing: answers preflights, adds the response fields. */
export const cors: Plugin = {
  name: 'cors',
  priority: 4000,
  schema: {
    type: 'object',
    properties: {
      allow_origins: { type: 'string', default: '*' },
      allow_methods: { type: 'string', default: '*' },
      allow_headers: { type: 'string', default: '*' },
      expose_headers: { type: 'string' },
      max_age: { type: 'integer', default: 5 },
      allow_credential: { type: 'boolean', default: false },
      allow_origins_by_regex: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 4096 },
        minItems: 1,
        uniqueItems: true,
      },
    },
  },
  check(conf) {
    const own = conf as unknown as Conf
    const wildcards = [own.allow_origins, own.allow_methods, own.allow_headers, own.expose_headers].includes(
      '*',
    )
    if (own.allow_credential && wildcards)
      return "you can not set '*' for other option when 'allow_credential' is true"
    try {
      for (const source of own.allow_origins_by_regex ?? []) compileRegex(source)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return undefined
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const listed = new Set(own.allow_origins.split(',').map((origin) => origin.trim()))
    const regexes = (own.allow_origins_by_regex ?? []).map((source) => compileRegex(source))
    const allowedOrigin = (context: RequestContext): string | undefined => {
      const origin = context.exchange.headers.get('origin')
      if (regexes.length > 0)
        return origin !== undefined && regexes.some((regex) => regex.test(origin)) ? origin : undefined
      if (own.allow_origins === '*') return '*'
      if (own.allow_origins === '**') return origin ?? '*'
      return origin !== undefined && listed.has(origin) ? origin : undefined
    }
    return {
      rewrite(context) {
        return context.method === 'OPTIONS' ? { status: 200, body: '' } : undefined
      },
      headerFilter(context, { headers }) {
        const origin = allowedOrigin(context)
        if (own.allow_origins !== '*' || regexes.length > 0) headers.add('Vary', 'Origin')
        if (origin === undefined) return
        headers.set('Access-Control-Allow-Origin', origin)
        headers.set(
          'Access-Control-Allow-Methods',
          own.allow_methods === '**' ? ALL_METHODS : own.allow_methods,
        )
        headers.set('Access-Control-Max-Age', String(own.max_age))
        const asked = context.exchange.headers.get('access-control-request-headers')
        const names = own.allow_headers === '**' ? asked : own.allow_headers
        if (names !== undefined) headers.set('Access-Control-Allow-Headers', names)
        if (own.expose_headers !== undefined) headers.set('Access-Control-Expose-Headers', own.expose_headers)
        if (own.allow_credential) headers.set('Access-Control-Allow-Credentials', 'true')
      },
    }
  },
}
