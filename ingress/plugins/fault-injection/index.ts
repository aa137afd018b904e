import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import type { Schema } from '../../objects/index.ts'
import { compileExpression } from '../../route/index.ts'
import type { Plugin, PluginResult } from '../plugin.ts'

interface Condition {
  readonly percentage?: number
  readonly vars?: readonly unknown[]
}
interface Conf {
  readonly abort?: Condition & {
    readonly http_status: number
    readonly body?: string
    readonly headers?: Readonly<Record<string, string | number>>
  }
  readonly delay?: Condition & { readonly duration: number }
}

const PERCENTAGE: Schema = { type: 'integer', minimum: 0, maximum: 100 }

function compileCondition(condition: Condition): (context: RequestContext) => boolean {
  // `vars` is a list of expressions of which one must hold.
  const alternatives = (condition.vars ?? []).map((vars) => compileExpression(vars as readonly unknown[]))
  const { percentage } = condition
  return (context) => {
    if (percentage !== undefined && Math.random() * 100 >= percentage) return false
    return alternatives.length === 0 || alternatives.some((holds) => holds(context.variables))
  }
}

/** Delays or refuses a share of the requests, to see what callers make of it. */
export const faultInjection: Plugin = {
  name: 'fault-injection',
  priority: 11000,
  schema: {
    type: 'object',
    properties: {
      abort: {
        type: 'object',
        properties: {
          http_status: { type: 'integer', minimum: 200 },
          body: { type: 'string' },
          headers: { type: 'object' },
          percentage: PERCENTAGE,
          vars: { type: 'array', items: { type: 'array' } },
        },
        required: ['http_status'],
      },
      delay: {
        type: 'object',
        properties: {
          duration: { type: 'number', minimum: 0 },
          percentage: PERCENTAGE,
          vars: { type: 'array', items: { type: 'array' } },
        },
        required: ['duration'],
      },
    },
    minProperties: 1,
  },
  check(conf) {
    const { abort, delay } = conf as unknown as Conf
    try {
      compileCondition(abort ?? {})
      compileCondition(delay ?? {})
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  },
  compile(conf) {
    const { abort, delay } = conf as unknown as Conf
    const delays = compileCondition(delay ?? {})
    const aborts = compileCondition(abort ?? {})
    const answer = (context: RequestContext): PluginResult => {
      if (abort === undefined || !aborts(context)) return undefined
      const headers = Object.fromEntries(
        Object.entries(abort.headers ?? {}).map(([name, value]) => [name, context.expand(String(value))]),
      )
      return {
        status: abort.http_status,
        body: abort.body === undefined ? undefined : context.expand(abort.body),
        headers,
      }
    }
    return {
      rewrite(context) {
        if (delay === undefined || !delays(context)) return answer(context)
        return sleep(delay.duration * 1000).then(() => answer(context))
      },
    }
  },
}
