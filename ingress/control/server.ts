import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { withoutSecrets } from '../admin/secret-fields.ts'
import {
  type Catalogue,
  type Entry,
  isObject,
  type JsonObject,
  type Kind,
  SCHEMAS,
} from '../objects/index.ts'
import type { Plugin } from '../plugins/index.ts'
import { type Server, splitAddress, type UpstreamGroup } from '../upstream/index.ts'

export interface ControlOptions {
  readonly catalogue: Catalogue
  readonly registry: ReadonlyMap<string, Plugin>
  /** Upstreams at run time, by the name of the object that has them (`upstreams/1`, `routes/1`). */
  readonly groups: () => Iterable<readonly [owner: string, group: UpstreamGroup]>
}

const SOURCES = ['routes', 'services', 'upstreams', 'stream_routes']
const startedAt = Math.floor(Date.now() / 1000)

/** APISIX's control API: what is in force, for operators on the machine. Reads only; secrets are not shown. */
export function controlApi(options: ControlOptions): FastifyInstance {
  const { catalogue, registry } = options
  const app = fastify()
  app.addHook('onSend', async (_request, reply, payload) =>
    String(reply.getHeader('content-type')).startsWith('application/json') ? `${payload}\n` : payload,
  )
  const shown = (kind: Kind, { id, value, createdIndex, modifiedIndex }: Entry<Kind>): JsonObject => ({
    key: `/apisix/${kind}/${id}`,
    value: withNodeLists(withoutSecrets(kind, value as unknown as JsonObject, registry)),
    createdIndex,
    modifiedIndex,
  })
  app.get('/v1/schema', () => ({
    main: Object.fromEntries(
      Object.entries(SCHEMAS).map(([kind, schema]) => [kind.replace(/s$/, ''), schema]),
    ),
    plugins: Object.fromEntries(
      [...registry].map(([name, { priority, schema, consumerSchema, metadataSchema }]) => [
        name,
        { priority, schema, consumer_schema: consumerSchema, metadata_schema: metadataSchema },
      ]),
    ),
    stream_plugins: {},
  }))
  const lists = [
    ['routes', 'routes', 'route'],
    ['services', 'services', 'service'],
    ['upstreams', 'upstreams', 'upstream'],
    ['plugin_metadatas', 'plugin_metadata', 'plugin_metadata'],
    ['stream_routes', 'stream_routes', 'stream_route'],
  ] as const
  for (const [plural, kind, single] of lists) {
    app.get(`/v1/${plural}`, () => catalogue.list(kind).map((entry) => shown(kind, entry)))
    app.get(`/v1/${single}/:id`, (request, reply) => {
      const { id } = request.params as { id: string }
      const entry = catalogue.get(kind, id)
      const what = single.replace('_metadata', ' metadata')
      return entry === undefined ? missing(reply, `${what}[${id}] not found`) : shown(kind, entry)
    })
  }
  app.get('/v1/healthcheck', () =>
    [...options.groups()].flatMap(([owner, group]) => {
      const checks = describeChecks(owner, group)
      return checks === undefined ? [] : [checks]
    }),
  )
  app.get('/v1/healthcheck/:type/:id', (request, reply) => {
    const { type, id } = request.params as { type: string; id: string }
    if (!SOURCES.includes(type)) return reply.code(400).send({ error_msg: `invalid src type ${type}` })
    if (catalogue.get(type as 'routes', id) === undefined) return missing(reply, `${type}[${id}] not found`)
    for (const [owner, group] of options.groups()) {
      const checks = owner === `${type}/${id}` ? describeChecks(owner, group) : undefined
      if (checks !== undefined) return checks
    }
    return missing(reply, `no checker for ${type}[${id}]`)
  })
  app.get('/v1/server_info', () => ({
    id: `${process.pid}`,
    hostname: process.env.HOSTNAME ?? '',
    boot_time: startedAt,
    up_time: Math.floor(Date.now() / 1000) - startedAt,
    version: 'plexus',
    etcd_version: 'unknown',
  }))
  app.put('/v1/plugins/reload', (_request, reply) => reply.send('done'))
  app.post('/v1/gc', (_request, reply) => reply.send(''))
  app.setNotFoundHandler((_request, reply) => missing(reply, 'not found'))
  return app
}

function missing(reply: FastifyReply, message: string): FastifyReply {
  return reply.code(404).send({ error_msg: message })
}

function describeChecks(owner: string, group: UpstreamGroup): JsonObject | undefined {
  const { health, servers } = group
  if (health === undefined) return undefined
  const { active } = (group.config.checks ?? {}) as {
    active?: { type?: string; host?: string; port?: number }
  }
  const target = ({ host, port }: Server) => `${host} ${active?.port ?? port}`
  return {
    name: `/${owner}`,
    type: active?.type ?? 'http',
    nodes: [...new Map(servers.map((server) => [target(server), server])).values()].map((server) => {
      const { status, counter } = health.of(server)
      const { host } = server
      return { ip: host, port: active?.port ?? server.port, hostname: active?.host ?? host, status, counter }
    }),
  }
}

/** The object with its servers as a list, as the data plane takes them. */
function withNodeLists(value: JsonObject): JsonObject {
  const { nodes, upstream } = value
  return {
    ...value,
    ...(isObject(nodes) ? { nodes: Object.entries(nodes).map(listed) } : {}),
    ...(isObject(upstream) ? { upstream: withNodeLists(upstream) } : {}),
  }
}

function listed([address, weight]: [string, unknown]): JsonObject {
  return { ...splitAddress(address), weight }
}
