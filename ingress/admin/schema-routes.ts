import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type CheckContext, checkObject } from '../objects/check.ts'
import { isObject, type JsonObject, KINDS, type Kind, SCHEMAS } from '../objects/index.ts'
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
    answers((request) =>
      (request.query as Query).all === 'true' ? ok(allPlugins(registry)) : failure('not found', 404),
    ),
  )
  app.put(
    `${prefix}/plugins/reload`,
    answers(() => ok('done')),
  )
  app.get(
    `${prefix}/plugins/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const schema = schemaOf(registry.get(name), (request.query as Query).schema_type)
      return schema === undefined ? failure('plugin not found in subsystem http', 404) : ok(schema)
    }),
  )
  app.get(
    `${prefix}/schema/plugins/:name`,
    answers((request) => {
      const { name } = request.params as { name: string }
      const schema = schemaOf(registry.get(name), (request.query as Query).schema_type)
      return schema === undefined ? failure(`not found schema: ${name}`) : ok(schema)
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

function pluginNames(registry: ReadonlyMap<string, Plugin>, subsystem = 'http'): AdminAnswer {
  if (subsystem !== 'http' && subsystem !== 'stream') return failure(`unsupported subsystem: ${subsystem}`)
  const names = [...registry.keys()]
  return ok(subsystem === 'http' ? names : names.filter((name) => STREAM_PLUGINS.includes(name)))
}

function allPlugins(registry: ReadonlyMap<string, Plugin>): JsonObject {
  return Object.fromEntries(
    [...registry].map(([name, { priority, schema, consumerSchema, metadataSchema }]) => [
      name,
      {
        version: 0.1,
        priority,
        schema,
        ...(consumerSchema === undefined ? {} : { type: 'auth', consumer_schema: consumerSchema }),
        ...(metadataSchema === undefined ? {} : { metadata_schema: metadataSchema }),
      },
    ]),
  )
}

function schemaOf(plugin: Plugin | undefined, type: string | undefined): Plugin['schema'] | undefined {
  if (type === 'consumer') return plugin?.consumerSchema
  return type === 'metadata' ? plugin?.metadataSchema : plugin?.schema
}

/** What is wrong with an object, by itself: what it refers to need not be there. */
function faultOf(kind: Kind, given: unknown, context: CheckContext): string | undefined {
  if (!isObject(given)) return 'invalid configuration: wrong type: expected object, got table'
  const value = structuredClone(given)
  const id = String(value.id ?? value.username ?? '')
  return checkObject(kind, id, value, context, { references: 'unchecked' })
}
