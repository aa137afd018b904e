import type { RequestContext } from '../../dataplane/context.ts'
import { compileExpression, compileRegex } from '../../route/index.ts'
import { applyHeaders, checkHeaders, HEADERS_SCHEMA, headerOperations } from '../header-operations.ts'
import type { Plugin } from '../plugin.ts'

interface Filter {
  readonly regex: string
  readonly replace: string
  readonly scope?: 'once' | 'global'
  readonly options?: string
}

interface Conf {
  readonly status_code?: number
  readonly body?: string
  readonly body_base64: boolean
  readonly headers?: unknown
  readonly vars?: readonly unknown[]
  readonly filters?: readonly Filter[]
  readonly max_resp_body_size: number
}

function compileFilters(filters: readonly Filter[]): (text: string) => string {
  const rules = filters.map(({ regex, replace, scope, options }) => ({
    regex: compileRegex(
      regex,
      `${options?.includes('i') === true ? 'i' : ''}u${scope === 'global' ? 'g' : ''}`,
    ),
    replace,
  }))
  return (text) => rules.reduce((current, { regex, replace }) => current.replace(regex, replace), text)
}

/** Changes the answer: status, header fields, body. */
export const responseRewrite: Plugin = {
  name: 'response-rewrite',
  priority: 899,
  schema: {
    type: 'object',
    properties: {
      status_code: { type: 'integer', minimum: 200, maximum: 598 },
      body: { type: 'string' },
      body_base64: { type: 'boolean', default: false },
      headers: HEADERS_SCHEMA,
      vars: { type: 'array' },
      filters: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: {
            regex: { type: 'string', minLength: 1 },
            replace: { type: 'string' },
            scope: { type: 'string', enum: ['once', 'global'], default: 'once' },
            options: { type: 'string', default: 'jo' },
          },
          required: ['regex', 'replace'],
          additionalProperties: false,
        },
      },
      max_resp_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
    },
    minProperties: 1,
  },
  check(conf) {
    const { body, filters, vars, headers } = conf as unknown as Conf
    if (body !== undefined && filters !== undefined) return 'only one of body or filters is allowed'
    try {
      if (vars !== undefined) compileExpression(vars)
      if (filters !== undefined) compileFilters(filters)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    return checkHeaders(headers)
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const applies = compileExpression(own.vars ?? [])
    const operations = headerOperations(own.headers)
    const rewrite = own.filters === undefined ? undefined : compileFilters(own.filters)
    const body =
      own.body === undefined ? undefined : Buffer.from(own.body, own.body_base64 ? 'base64' : 'utf8')
    const matched = new WeakSet<RequestContext>()
    const collected = new WeakMap<RequestContext, { pieces: Buffer[]; size: number }>()
    return {
      headerFilter(context, response) {
        if (!applies(context.variables)) return
        matched.add(context)
        if (own.status_code !== undefined) {
          response.status = own.status_code
          response.reason = ''
        }
        if (body !== undefined || rewrite !== undefined) response.headers.remove('content-encoding')
        applyHeaders(response.headers, operations, context)
      },
      ...(body === undefined && rewrite === undefined
        ? {}
        : {
            bodyFilter(
              context: RequestContext,
              chunk: Buffer | undefined,
              state: { readonly last: boolean },
            ) {
              if (!matched.has(context)) return chunk
              if (body !== undefined) return state.last ? body : undefined
              const held = collected.get(context) ?? { pieces: [], size: 0 }
              collected.set(context, held)
              if (chunk !== undefined) {
                held.pieces.push(chunk)
                held.size += chunk.length
              }
              if (held.size > own.max_resp_body_size) {
                // Too large to rewrite: pass on what is held and let the rest through.
                matched.delete(context)
                return Buffer.concat(held.pieces)
              }
              if (!state.last || rewrite === undefined) return undefined
              return Buffer.from(rewrite(Buffer.concat(held.pieces).toString('utf8')))
            },
          }),
    }
  },
}
