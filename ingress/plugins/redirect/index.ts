import { encodePath } from '../../route/index.ts'
import type { Plugin } from '../plugin.ts'
import { Substitution } from '../substitution.ts'

interface Conf {
  readonly ret_code: number
  readonly uri?: string
  readonly regex_uri?: readonly [string, string]
  readonly http_to_https?: boolean
  readonly encode_uri: boolean
  readonly append_query_string: boolean
}

/** Answers with a redirection. */
export const redirect: Plugin = {
  name: 'redirect',
  priority: 900,
  schema: {
    type: 'object',
    properties: {
      ret_code: { type: 'integer', minimum: 200, default: 302 },
      uri: { type: 'string', minLength: 2, pattern: '(\\$[0-9a-zA-Z_]+)|\\/|\\$\\{[0-9a-zA-Z_]+\\}' },
      regex_uri: { type: 'array', items: { type: 'string' }, minItems: 2, maxItems: 2 },
      http_to_https: { type: 'boolean' },
      encode_uri: { type: 'boolean', default: false },
      append_query_string: { type: 'boolean', default: false },
    },
    oneOf: [{ required: ['uri'] }, { required: ['regex_uri'] }, { required: ['http_to_https'] }],
  },
  check(conf) {
    const { regex_uri, http_to_https, append_query_string } = conf as unknown as Conf
    if (regex_uri !== undefined) {
      try {
        new Substitution(...regex_uri)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        return `invalid regex_uri (${regex_uri.join(', ')}), err:${why}`
      }
    }
    return http_to_https === true && append_query_string
      ? 'only one of `http_to_https` and `append_query_string` can be configured.'
      : undefined
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const substitution = own.regex_uri === undefined ? undefined : new Substitution(...own.regex_uri)
    const { https_port: port } = environment.attributes
    const suffix = typeof port === 'number' && port > 0 && port !== 443 ? `:${port}` : ''
    return {
      rewrite(context) {
        let location: string | undefined
        let status = own.ret_code
        if (own.http_to_https === true) {
          const scheme = context.exchange.headers.get('x-forwarded-proto') ?? context.scheme
          if (scheme === 'https') return undefined
          const query = context.query === '' ? '' : `?${context.query}`
          location = `https://${context.host}${suffix}${encodePath(context.path)}${query}`
          status = context.method === 'GET' || context.method === 'HEAD' ? 301 : 308
        } else if (substitution !== undefined) {
          const found = substitution.apply(context.path)
          if (found === undefined) return undefined
          location = found.text
        } else location = context.expand(own.uri ?? '')
        const mark = location.indexOf('?')
        if (own.encode_uri && mark !== -1)
          location = encodePath(location.slice(0, mark)) + location.slice(mark)
        else if (own.encode_uri) location = encodePath(location)
        if (own.append_query_string && context.query !== '') {
          location += `${location.includes('?') ? '&' : '?'}${context.query}`
        }
        return { status, headers: { Location: location } }
      },
    }
  },
}
