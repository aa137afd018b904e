// The agent's health and metrics listener: /healthz (alive), /readyz (every component serves), /metrics.
import fastify, { type FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import type { Component } from './component.ts'
import { parseListenAddress } from './listen-address.ts'

/** Detail of /readyz and of `plexus status`. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly components: Readonly<Record<string, { ok: boolean; detail?: string | undefined }>>
}

export function readiness(components: readonly Component[]): ReadinessReport {
  const entries = components.map((component) => [component.name, component.health()] as const)
  return { ready: entries.every(([, { ok }]) => ok), components: Object.fromEntries(entries) }
}

/** Listens on `listen` ('host:port'). Rejects when the address cannot be bound. */
export async function startHealthServer(options: {
  listen: string
  components: readonly Component[]
  registries: ReadonlyMap<string, Registry>
}): Promise<FastifyInstance> {
  const { components, registries } = options
  const server = fastify({ logger: false, forceCloseConnections: true })
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const report = readiness(components)
    return reply.code(report.ready ? 200 : 503).send(report)
  })
  server.get('/metrics', async (_request, reply) =>
    reply
      .type(Registry.PROMETHEUS_CONTENT_TYPE)
      .send(await Registry.merge([...registries.values()]).metrics()),
  )
  await server.listen(parseListenAddress(options.listen))
  return server
}
