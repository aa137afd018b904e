import { compileExpression } from '../../route/index.ts'
import { applyHeaders, checkHeaders, headerOperations } from '../header-operations.ts'
import type { Plugin } from '../plugin.ts'
import { weightedChoice } from '../weighted-choice.ts'

interface Action {
  readonly set_headers?: Readonly<Record<string, string | number>>
  readonly weight: number
}

interface Rule {
  readonly match?: readonly unknown[]
  readonly actions: readonly Action[]
}

function checkAction(action: Action): string | undefined {
  const other = Object.keys(action).find((name) => name !== 'weight' && name !== 'set_headers')
  if (other !== undefined) return `not supported action: ${other}`
  const fault = checkHeaders(action.set_headers)
  return fault === undefined ? undefined : `failed to validate the 'set_headers' action: ${fault}`
}

function checkRule({ match, actions }: Rule): string | undefined {
  try {
    compileExpression(match ?? [])
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return `failed to validate the 'match' expression: ${JSON.stringify(match)} err: ${why}`
  }
  return actions.map(checkAction).find((fault) => fault !== undefined)
}

/** Marks requests with header fields, by condition and weight. */
export const trafficLabel: Plugin = {
  name: 'traffic-label',
  priority: 967,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: {
            match: { type: 'array', minItems: 1 },
            actions: {
              type: 'array',
              minItems: 1,
              items: {
                type: 'object',
                properties: {
                  set_headers: { type: 'object', minProperties: 1 },
                  weight: { type: 'integer', minimum: 1, default: 1 },
                },
              },
            },
          },
          required: ['actions'],
        },
      },
    },
    required: ['rules'],
  },
  check: (conf) => (conf.rules as Rule[]).map(checkRule).find((fault) => fault !== undefined),
  compile(conf) {
    const rules = (conf.rules as Rule[]).map(({ match, actions }) => ({
      holds: compileExpression(match ?? []),
      actions: actions.map(({ set_headers, weight }) => ({
        weight,
        current: 0,
        operations: set_headers && headerOperations({ set: set_headers }),
      })),
    }))
    return {
      access(context) {
        const rule = rules.find(({ holds }) => holds(context.variables))
        const action = rule && weightedChoice(rule.actions)
        if (action?.operations !== undefined)
          applyHeaders(context.exchange.headers, action.operations, context)
        return undefined
      },
    }
  },
}
