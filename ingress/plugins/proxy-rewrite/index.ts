import type { RequestContext } from '../../dataplane/context.ts'
import { compileRegex, encodePath } from '../../route/index.ts'
import { applyHeaders, checkHeaders, HEADERS_SCHEMA, headerOperations } from '../header-operations.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly uri?: string
  readonly method?: string
  readonly host?: string
  readonly regex_uri?: readonly string[]
  readonly headers?: unknown
  readonly use_real_request_uri_unsafe: boolean
}

function withQuery(path: string, context: RequestContext): string {
  const safe = encodePath(path.startsWith('/') ? path : `/${path}`)
  if (context.query === '') return safe
  return `${safe}${path.includes('?') ? '&' : '?'}${context.query}`
}

/** A new target may carry its own query; only the path is escaped. */
function target(uri: string, context: RequestContext): string {
  const mark = uri.indexOf('?')
  if (mark === -1) return withQuery(uri, context)
  const own = uri.slice(mark + 1).replace(/[^!-~]|#/g, (char) => encodeURIComponent(char))
  const path = encodePath(uri.slice(0, mark))
  return `${path}?${own}${context.query === '' ? '' : `&${context.query}`}`
}

/** Changes what is sent upstream: path, method, host, header fields. */
export const proxyRewrite: Plugin = {
  name: 'proxy-rewrite',
  priority: 1008,
  schema: {
    type: 'object',
    properties: {
      uri: { type: 'string', minLength: 1, maxLength: 4096, pattern: '^\\/.*' },
      method: {
        type: 'string',
        enum: [
          'GET',
          'POST',
          'PUT',
          'HEAD',
          'DELETE',
          'OPTIONS',
          'MKCOL',
          'COPY',
          'MOVE',
          'PROPFIND',
          'LOCK',
          'UNLOCK',
          'PATCH',
          'TRACE',
        ],
      },
      host: { type: 'string', pattern: '^[0-9a-zA-Z-._]+(:\\d{1,5})?$' },
      regex_uri: { type: 'array', items: { type: 'string' }, minItems: 2 },
      headers: HEADERS_SCHEMA,
      use_real_request_uri_unsafe: { type: 'boolean', default: false },
    },
    minProperties: 1,
  },
  check(conf) {
    const { regex_uri, headers } = conf as unknown as Conf
    if (regex_uri !== undefined) {
      if (regex_uri.length % 2 !== 0) return 'The length of regex_uri should be an even number'
      for (let at = 0; at < regex_uri.length; at += 2) {
        try {
          compileRegex(regex_uri[at] as string)
        } catch {
          return `invalid regex_uri(${regex_uri[at]}, ${regex_uri[at + 1]})`
        }
      }
    }
    return checkHeaders(headers)
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const operations = headerOperations(own.headers)
    const rules = (own.regex_uri ?? []).flatMap((source, at, all) =>
      at % 2 === 0 ? [{ regex: compileRegex(source), template: all[at + 1] as string }] : [],
    )
    return {
      rewrite(context) {
        if (own.uri !== undefined) context.upstreamTarget = target(context.expand(own.uri), context)
        else if (own.use_real_request_uri_unsafe) context.upstreamTarget = context.exchange.request.target
        for (const { regex, template } of rules) {
          if (own.uri !== undefined) break
          const match = regex.exec(context.path)
          if (match === null) continue
          const captured = template.replace(/\$(\d)/g, (_, digit: string) => match[Number(digit)] ?? '')
          const rewritten = context.path.replace(regex, () => captured)
          context.upstreamTarget = target(context.expand(rewritten), context)
          break
        }
        if (own.method !== undefined) context.upstreamMethod = own.method
        if (own.host !== undefined) context.upstreamHost = context.expand(own.host)
        applyHeaders(context.exchange.headers, operations, context)
        return undefined
      },
    }
  },
}
