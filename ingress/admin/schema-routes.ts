import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type CheckContext, checkObject } from '../objects/check.ts'
import { isObject, type JsonObject, KINDS, type Kind, SCHEMAS, type Schema } from '../objects/index.ts'
import { META } from '../plugins/compile.ts'
import type { Plugin } from '../plugins/index.ts'
import { STREAM_PLUGINS } from '../stream/index.ts'
import { type AdminAnswer, failure } from './answers.ts'

type Send = (reply: FastifyReply, answer: AdminAnswer) => FastifyReply
type Query = Readonly<Record<string, string | undefined>>

/** What the Admin API says of plugins and schemas, and its checks of objects that are not stored. */
export function registerSchemaRoutes(
  app: FastifyInstance,
  prefix: string,
  context: CheckContext,
  send: Send,
): void {
  const { registry } = context
  const answers =
    (answer: (request: FastifyRequest) => AdminAnswer) => (request: FastifyRequest, reply: FastifyReply) =>
      send(reply, answer(request))
  app.get(
    `${prefix}/plugins/list`,
    answers((request) => pluginNames(registry, (request.query as Query).subsystem)),
  )
  app.get(
    `${prefix}/plugins`,
    answers((request) => {
      const { all, subsystem = 'http' } = request.query as Query
      if (!isSubsystem(subsystem)) return failure(`unsupported subsystem: ${subsystem}`)
      return all === 'true' ? ok(allPlugins(registry, subsystem)) : failure('not found', 404)
    }),
  )
  app.route({
    method: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'],
    url: `${prefix}/plugins/reload`,
    handler: answers(({ method }) =>
      method === 'PUT'
        ? ok('done')
        : failure(`please use PUT method to reload the plugins, ${method} method is not allowed.`, 405),
    ),
  })
  app.get(
    `${prefix}/plugins/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const { subsystem = 'http', schema_type: type } = request.query as Query
      if (!isSubsystem(subsystem)) return failure(`unsupported subsystem: ${subsystem}`)
      const schema = isOf(subsystem, name) ? schemaOf(registry.get(name), type) : undefined
      return schema === undefined ? failure(`plugin not found in subsystem ${subsystem}`, 404) : ok(schema)
    }),
  )
  app.get(
    `${prefix}/schema/plugins/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const schema = schemaOf(registry.get(name), (request.query as Query).schema_type)
      return schema === undefined ? failure(`not found schema: ${name}`, 404) : ok(schema)
    }),
  )
  app.get(
    `${prefix}/schema/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const kind = KINDS.find((one) => one === name || one === `${name}s`)
      return kind === undefined ? failure(`not found schema: ${name}`) : ok(SCHEMAS[kind])
    }),
  )
  app.post(
    `${prefix}/schema/validate/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const kind = KINDS.find((one) => one === name)
      if (kind === undefined) return failure(`Unsupported resource type: ${name}`, 404)
      const fault = faultOf(kind, request.body, context)
      return fault === undefined ? ok('') : failure(fault)
    }),
  )
}

function ok(body: unknown): AdminAnswer {
  return { status: 200, body }
}

function isSubsystem(name: string): name is 'http' | 'stream' {
  return name === 'http' || name === 'stream'
}

function isOf(subsystem: 'http' | 'stream', plugin: string): boolean {
  return subsystem === 'http' || STREAM_PLUGINS.includes(plugin)
}

function pluginNames(registry: ReadonlyMap<string, Plugin>, subsystem = 'http'): AdminAnswer {
  if (!isSubsystem(subsystem)) return failure('invalid subsystem passed')
  return ok([...registry.keys()].filter((name) => isOf(subsystem, name)))
}

function allPlugins(registry: ReadonlyMap<string, Plugin>, subsystem: 'http' | 'stream'): JsonObject {
  const of = [...registry].filter(([name]) => isOf(subsystem, name))
  return Object.fromEntries(
    of.map(([name, { priority, schema, consumerSchema, metadataSchema }]) => [
      name,
      {
        version: 0.1,
        priority,
        schema: withMeta(schema),
        ...(consumerSchema === undefined ? {} : { type: 'auth', consumer_schema: consumerSchema }),
        ...(metadataSchema === undefined ? {} : { metadata_schema: metadataSchema }),
      },
    ]),
  )
}

function schemaOf(plugin: Plugin | undefined, type: string | undefined): Plugin['schema'] | undefined {
  if (type === 'consumer') return plugin?.consumerSchema
  if (type === 'metadata') return plugin?.metadataSchema
  return plugin === undefined ? undefined : withMeta(plugin.schema)
}

/** What may be configured of every plugin beside its own. */
function withMeta(schema: Schema): Schema {
  return {
    ...schema,
    $comment: 'this is a mark for our injected plugin schema',
    properties: { ...schema.properties, _meta: META },
  }
}

/** What is wrong with an object, by itself: what it refers to need not be there. */
function faultOf(kind: Kind, given: unknown, context: CheckContext): string | undefined {
  if (!isObject(given)) return 'invalid configuration: wrong type: expected object, got table'
  const value = structuredClone(given)
  const id = String(value.id ?? value.username ?? '')
  return checkObject(kind, id, value, context, { references: 'unchecked' })
}
