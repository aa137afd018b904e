import type { RequestContext } from '../../dataplane/context.ts'
import { graphqlOperations } from '../../graphql/index.ts'
import { isObject, type JsonObject } from '../../objects/index.ts'
import { queryArgument } from '../../route/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly query: string
  readonly variables?: readonly string[]
  readonly operation_name?: string
}

/** Turns a request into the GraphQL query it stands for; its arguments become the query's variables. */
export const degraphql: Plugin = {
  name: 'degraphql',
  priority: 509,
  schema: {
    type: 'object',
    properties: {
      query: { type: 'string', minLength: 1, maxLength: 1024 },
      variables: { type: 'array', items: { type: 'string' }, minItems: 1 },
      operation_name: { type: 'string', minLength: 1, maxLength: 1024 },
      max_req_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
    },
    required: ['query'],
  },
  check(conf) {
    try {
      if (graphqlOperations(String(conf.query)).length > 1 && conf.operation_name === undefined)
        return 'operation_name is required if multiple operations are present in the query'
      return undefined
    } catch (error) {
      return `failed to parse query: ${error instanceof Error ? error.message : String(error)}`
    }
  },
  compile(conf) {
    const { query, variables, operation_name } = conf as unknown as Conf
    const operation = operation_name === undefined ? {} : { operationName: operation_name }
    const chosen = (value: (name: string) => unknown) =>
      Object.fromEntries((variables ?? []).map((name) => [name, value(name)]))
    const ask = (context: RequestContext): undefined => {
      const values = chosen((name) => queryArgument(context.query, name))
      const fields = new URLSearchParams({ ...operation, query })
      if (variables !== undefined) fields.set('variables', JSON.stringify(values))
      const [path] = context.upstreamTarget.split('?')
      context.upstreamTarget = `${path}?${fields}`
    }
    const send = (context: RequestContext, body: Buffer): PluginAnswer | undefined => {
      let given: unknown = {}
      try {
        if (variables !== undefined) given = JSON.parse(body.toString('utf8'))
      } catch {
        return { status: 400 }
      }
      if (!isObject(given)) return { status: 400 }
      const values = given as JsonObject
      const shared = variables === undefined ? {} : { variables: chosen((name) => values[name]) }
      context.exchange.headers.set('Content-Type', 'application/json')
      context.exchange.collected = Buffer.from(JSON.stringify({ ...shared, ...operation, query }))
      return undefined
    }
    return {
      access(context) {
        if (context.method === 'GET') return ask(context)
        if (context.method !== 'POST') return { status: 405 }
        return context.exchange.collectBody(Number(conf.max_req_body_size)).then(
          (body) => send(context, body),
          () => ({ status: 413 }),
        )
      },
    }
  },
}
