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

/** Members of all objects in a value. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const own = Array.isArray(value) ? 0 : Object.keys(value).length
  return Object.values(value).reduce((sum: number, one) => sum + membersOf(one), own)
}

/** Whether an object in a JSON text has two members of one name, of which `value` has one. */
function hasTwins(text: string, value: unknown): boolean {
  const written = text.match(/"(?:[^"\\]|\\.)*"\s*:/g)?.length ?? 0
  return written !== membersOf(value)
}

function isForm(context: RequestContext): boolean {
  return /^application\/x-www-form-urlencoded/i.test(context.exchange.headers.get('content-type') ?? '')
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
    const refuse = (why?: string): PluginAnswer => ({
      status: own.rejected_code,
      body: own.rejected_msg ?? why,
    })
    const checkBody = async (context: RequestContext, check: ValidateFunction) => {
      const { exchange } = context
      try {
        const text = (await exchange.collectBody(own.max_req_body_size)).toString('utf8')
        const form = isForm(context)
        const value: unknown = form ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)
        const fault = faultOf(check, value)
        if (fault !== undefined) return refuse(fault)
        // What was checked is what the server gets: it might choose otherwise between two members of one name.
        if (!form && hasTwins(text, value)) exchange.collected = Buffer.from(JSON.stringify(value))
        return undefined
      } catch (error) {
        if (error instanceof BodyTooLarge) return refuse()
        return refuse(error instanceof Error ? error.message : String(error))
      }
    }
    return {
      rewrite(context) {
        const fault = header === undefined ? undefined : faultOf(header, context.exchange.headers.entries())
        if (fault !== undefined) return refuse(fault)
        if (content === undefined) return undefined
        // Two types: the server may read the body by the other one.
        return context.exchange.headers.get('content-type')?.includes(',') === true
          ? refuse()
          : checkBody(context, content)
      },
    }
  },
}
