import type { RequestContext } from '../../dataplane/context.ts'
import type { Response } from '../../http/index.ts'
import { isReference } from '../../objects/index.ts'
import { compileExpression } from '../../route/index.ts'
import { applyHeaders, checkHeaders, FIELD_NAMES, fieldMap, headerOperations } from '../header-operations.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'
import { BodyRewrite, compileFilters, type Filter } from './filters.ts'

interface Conf {
  readonly status_code?: number
  readonly body?: string
  readonly body_base64: boolean
  readonly headers?: unknown
  readonly vars?: readonly unknown[]
  readonly filters?: readonly Filter[]
  readonly max_resp_body_size: number
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}=*)?$/

function checkBody({ body, body_base64, filters }: Conf): string | undefined {
  if (body !== undefined && filters !== undefined)
    return 'failed to validate dependent schema for "body": value wasn\'t supposed to match schema'
  if (!body_base64 || isReference(body)) return undefined
  return body !== undefined && body !== '' && BASE64.test(body) ? undefined : 'invalid base64 content'
}

function checkVars(vars: readonly unknown[] | undefined): string | undefined {
  try {
    if (vars !== undefined) compileExpression(vars)
    return undefined
  } catch (error) {
    return `failed to validate the 'vars' expression: ${error instanceof Error ? error.message : String(error)}`
  }
}

function checkFilters(filters: readonly Filter[] = []): string | undefined {
  try {
    compileFilters(filters)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
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
      headers: {
        anyOf: [
          fieldMap(),
          {
            properties: {
              add: {
                type: 'array',
                minItems: 1,
                items: { type: 'string', pattern: '^[^:]+:[^:]*[^/]$' },
              },
              set: fieldMap(),
              remove: FIELD_NAMES,
            },
          },
        ],
      },
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
        },
      },
      max_resp_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
    },
    minProperties: 1,
  },
  check(conf) {
    const own = conf as unknown as Conf
    return checkBody(own) ?? checkHeaders(own.headers) ?? checkVars(own.vars) ?? checkFilters(own.filters)
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const applies = compileExpression(own.vars ?? [])
    const operations = headerOperations(own.headers)
    const filters = own.filters === undefined ? undefined : compileFilters(own.filters)
    const body =
      own.body === undefined ? undefined : Buffer.from(own.body, own.body_base64 ? 'base64' : 'utf8')
    const replaced = new PerRequest<true>()
    const rewrites = new PerRequest<BodyRewrite>()
    const beginBody = (context: RequestContext, { headers }: Response): void => {
      if (body !== undefined) replaced.set(context, true)
      else if (filters !== undefined) {
        const coding = headers.get('content-encoding')
        if (!BodyRewrite.decodes(coding)) return
        rewrites.set(context, new BodyRewrite(filters, { coding, limit: own.max_resp_body_size }))
      } else return
      for (const name of ['content-encoding', 'last-modified', 'etag']) headers.remove(name)
    }
    return {
      headerFilter(context, response) {
        if (!applies(context.variables)) return
        if (own.status_code !== undefined) {
          response.status = own.status_code
          response.reason = ''
        }
        beginBody(context, response)
        applyHeaders(response.headers, operations, context)
      },
      filtersBody: (context) => replaced.has(context) || rewrites.has(context),
      bodyFilter(context, chunk, { last }) {
        if (body !== undefined) return last ? body : undefined
        try {
          return rewrites.get(context)?.push(chunk, { last })
        } catch (error) {
          const object = environment.owner
          environment.log.error(
            { plugin: 'response-rewrite', object, err: error },
            'cannot decompress an answer',
          )
          context.exchange.cut()
          return undefined
        }
      },
    }
  },
}
