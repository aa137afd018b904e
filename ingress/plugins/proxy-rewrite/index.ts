import {
  applyHeaders,
  checkHeaders,
  FIELD_NAMES,
  fieldMap,
  headerOperations,
  VALUES,
} from '../header-operations.ts'
import type { Plugin } from '../plugin.ts'
import { expandWith, Substitution } from '../substitution.ts'
import { type TargetConf, targetOf } from './target.ts'

interface Conf extends Omit<TargetConf, 'rules'> {
  readonly method?: string
  readonly host?: string
  readonly regex_uri?: readonly string[]
  readonly headers?: unknown
}

/** The pairs of `regex_uri`. Throws a sentence about one that cannot be used. */
function rulesOf(list: readonly string[] = []): Substitution[] {
  return list.flatMap((source, at) => {
    if (at % 2 === 1) return []
    try {
      return [new Substitution(source, list[at + 1] as string)]
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`invalid regex_uri(${source}, ${list[at + 1]}): ${why}`, { cause })
    }
  })
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
      headers: {
        oneOf: [
          {
            type: 'object',
            minProperties: 1,
            additionalProperties: false,
            properties: { add: fieldMap(VALUES), set: fieldMap(VALUES), remove: FIELD_NAMES },
          },
          fieldMap(),
        ],
      },
      use_real_request_uri_unsafe: { type: 'boolean', default: false },
    },
    minProperties: 1,
  },
  check(conf) {
    const { regex_uri, headers } = conf as unknown as Conf
    if (regex_uri !== undefined && regex_uri.length % 2 !== 0)
      return 'The length of regex_uri should be an even number'
    try {
      rulesOf(regex_uri)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return checkHeaders(headers)
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const operations = headerOperations(own.headers)
    const targets = { ...own, rules: rulesOf(own.regex_uri) }
    return {
      rewrite(context) {
        const { target, captures } = targetOf(targets, context)
        if (target !== undefined) context.upstreamTarget = target
        if (own.method !== undefined) context.upstreamMethod = own.method
        if (own.host !== undefined) context.upstreamHost = context.expand(own.host)
        applyHeaders(context.exchange.headers, operations, context, (template) =>
          expandWith(template, captures, context),
        )
        return undefined
      },
    }
  },
}
