import { type JsonObject, type Schema, validate } from '../../objects/index.ts'
import { compileExpression } from '../../route/index.ts'
import { checkPlugins } from '../compile.ts'
import { limitConn } from '../limit-conn/index.ts'
import { limitCount } from '../limit-count/index.ts'
import { limitReq } from '../limit-req/index.ts'
import type { Plugin, PluginEnvironment, PluginInstance } from '../plugin.ts'

interface Rule {
  readonly case?: readonly unknown[]
  readonly actions: readonly (readonly [name: string, conf: JsonObject])[]
}

const ACTIONS = new Map([limitConn, limitCount, limitReq].map((plugin) => [plugin.name, plugin]))

const RETURN: Schema = {
  type: 'object',
  properties: { code: { type: 'integer', minimum: 100, maximum: 599 } },
  required: ['code'],
}

function checkAction(action: unknown): string | undefined {
  if (!Array.isArray(action) || typeof action[0] !== 'string') return 'bad actions'
  const [name, conf] = action as [string, unknown]
  if (name !== 'return' && !ACTIONS.has(name)) return `unsupported action: ${name}`
  const fault =
    name === 'return'
      ? validate(RETURN, conf)
      : checkPlugins({ [name]: conf }, ACTIONS, { forConsumer: false })?.replace(
          /^failed to check .*? err: /,
          '',
        )
  return fault === undefined ? undefined : `failed to validate the '${name}' action: ${fault}`
}

function compileAction(
  [name, conf]: Rule['actions'][number],
  environment: PluginEnvironment,
): PluginInstance {
  if (name === 'return') {
    const answer = { status: Number(conf.code), body: { error_msg: 'rejected by workflow' } }
    return { access: () => answer }
  }
  return ACTIONS.get(name)?.compile(conf, environment) ?? {}
}

/** Runs the actions of the first rule whose condition holds. */
export const workflow: Plugin = {
  name: 'workflow',
  priority: 1006,
  schema: {
    type: 'object',
    properties: {
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            case: { type: 'array', minItems: 1 },
            actions: { type: 'array', items: { type: 'array', minItems: 1 } },
          },
          required: ['actions'],
        },
      },
    },
    required: ['rules'],
  },
  check(conf) {
    for (const rule of conf.rules as Rule[]) {
      try {
        if (rule.case !== undefined) compileExpression(rule.case)
      } catch (error) {
        return `failed to validate the 'case' expression: ${error instanceof Error ? error.message : error}`
      }
      for (const action of rule.actions) {
        const fault = checkAction(action)
        if (fault !== undefined) return fault
      }
    }
    return undefined
  },
  compile(conf, environment) {
    const rules = (conf.rules as Rule[]).map((rule, index) => ({
      holds: rule.case === undefined ? undefined : compileExpression(rule.case),
      actions: rule.actions.map((action) => ({
        name: action[0],
        run: compileAction(action, { ...environment, owner: `${environment.owner} rule ${index}` }),
      })),
    }))
    const all = rules.flatMap(({ actions }) => actions.map(({ run }) => run))
    return {
      async access(context) {
        for (const { holds, actions } of rules) {
          if (holds !== undefined && !holds(context.variables)) continue
          for (const { name, run } of actions) {
            // The plugin itself, if it is there too, is not to count the request again.
            context.skippedPlugins ??= new Set()
            context.skippedPlugins.add(name)
            const answer = await run.access?.(context)
            if (answer !== undefined) return answer
          }
          return undefined
        }
        return undefined
      },
      headerFilter(context, response) {
        for (const action of all) action.headerFilter?.(context, response)
      },
      log(context) {
        for (const action of all) action.log?.(context)
      },
    }
  },
}
