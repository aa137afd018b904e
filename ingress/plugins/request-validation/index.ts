import { Ajv, type ValidateFunction } from 'ajv'
import type { RequestContext } from '../../dataplane/context.ts'
import { BodyTooLarge } from '../../http/index.ts'
import type { JsonObject } from '../../objects/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly header_schema?: JsonObject
  readonly body_schema?: JsonObject
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly max_req_body_size: number
}

function compileSchema(schema: JsonObject | undefined): ValidateFunction | undefined {
  return schema === undefined ? undefined : new Ajv({ strict: false, coerceTypes: false }).compile(schema)
}

function faultOf(check: ValidateFunction, value: unknown): string | undefined {
  if (check(value)) return undefined
  const [error] = check.errors ?? []
  return `${error?.instancePath ?? ''} ${error?.message ?? 'does not match'}`.trim()
}

function parsed(body: Buffer, type: string): unknown {
  if (!/^application\/x-www-form-urlencoded/i.test(type)) return JSON.parse(body.toString('utf8'))
  return Object.fromEntries(new URLSearchParams(body.toString('utf8')))
}

/** Checks header fields and body of requests against JSON schemas. */
export const requestValidation: Plugin = {
  name: 'request-validation',
  priority: 2800,
  schema: {
    type: 'object',
    properties: {
      header_schema: { type: 'object' },
      body_schema: { type: 'object' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 400 },
      rejected_msg: { type: 'string', minLength: 1, maxLength: 256 },
      max_req_body_size: { type: 'integer', minimum: 1, default: 1_048_576 },
    },
    anyOf: [{ required: ['header_schema'] }, { required: ['body_schema'] }],
  },
  check(conf) {
    try {
      compileSchema(conf.header_schema as JsonObject | undefined)
      compileSchema(conf.body_schema as JsonObject | undefined)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const header = compileSchema(own.header_schema)
    const content = compileSchema(own.body_schema)
    const refuse = (why: string): PluginAnswer => ({
      status: own.rejected_code,
      body: own.rejected_msg ?? why,
    })
    const checkBody = async (context: RequestContext, check: ValidateFunction) => {
      const { exchange } = context
      try {
        const body = await exchange.collectBody(own.max_req_body_size)
        const fault = faultOf(check, parsed(body, exchange.headers.get('content-type') ?? ''))
        return fault === undefined ? undefined : refuse(fault)
      } catch (error) {
        if (error instanceof BodyTooLarge) return { status: 413 }
        return refuse(error instanceof Error ? error.message : String(error))
      }
    }
    return {
      rewrite(context) {
        const fault = header === undefined ? undefined : faultOf(header, context.exchange.headers.entries())
        if (fault !== undefined) return refuse(fault)
        return content === undefined ? undefined : checkBody(context, content)
      },
    }
  },
}
