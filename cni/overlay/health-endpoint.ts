import fastify, { type FastifyInstance } from 'fastify'

/**
 * flannel's probes: /healthz answers 200 while the process lives, /readyz 200 once rules and subnet.env are in place,
 * else 503 with the reason. Rejects when the address cannot be bound.
 */
export async function startHealthEndpoint(
  listen: { readonly host: string; readonly port: number },
  health: () => { ok: boolean; detail?: string | undefined },
): Promise<FastifyInstance> {
  const server = fastify({ logger: false, forceCloseConnections: true })
  server.get('/healthz', async () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const { ok, detail } = health()
    return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'waiting', detail })
  })
  await server.listen(listen)
  return server
}
