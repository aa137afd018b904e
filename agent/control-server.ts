// The agent's control socket: what `plexus status` and `plexus get` ask. Root only (the socket's mode), read only.
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'

/** Answers of the control socket by path, e.g. '/status', from the query's parameters. Each call computes the answer anew. */
export type ControlAnswers = Readonly<Record<string, (query: Readonly<Record<string, string>>) => unknown>>

export async function startControlServer(options: {
  socket: string
  answers: ControlAnswers
}): Promise<FastifyInstance> {
  const { socket, answers } = options
  const server = fastify({ logger: false, forceCloseConnections: true })
  for (const [path, answer] of Object.entries(answers))
    server.get(path, async ({ query }) => answer(query as Record<string, string>))
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `nothing at ${request.url}; there is: ${Object.keys(answers).join(' ')}` }),
  )
  mkdirSync(dirname(socket), { recursive: true })
  // A socket file left by a killed agent would make listen fail with EADDRINUSE.
  rmSync(socket, { force: true })
  await server.listen({ path: socket })
  chmodSync(socket, 0o600)
  return server
}
