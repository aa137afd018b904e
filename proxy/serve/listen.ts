import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { Logger } from 'pino'

/** Pause before a listener that could not be opened (the port is taken) is tried again. */
const RETRY_MS = 5_000

/** Answers a path; sets status and headers on the reply and returns the body. */
export type Answer = (reply: FastifyReply) => unknown

export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly routes: Readonly<Record<string, Answer>>
  readonly log: Logger
  /** what is served, for logs */
  readonly what: string
  /** told when the address cannot be had, once for each reason */
  onFailure?(reason: string): void
}

export interface Listener {
  close(): Promise<void>
}

/** Splits `10.0.0.1:80`, `[::1]:80` or `:80` (all addresses). */
export function splitAddress(address: string): { host: string; port: number } {
  const separator = address.lastIndexOf(':')
  const host = address.slice(0, separator).replace(/^\[(.*)\]$/, '$1')
  return { host: host === '' ? '::' : host, port: Number(address.slice(separator + 1)) }
}

/** Opens an HTTP listener; rejects with the reason (EADDRINUSE ...) when that is not possible. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = fastify({ logger: false, forceCloseConnections: true })
  for (const [path, answer] of Object.entries(options.routes)) {
    server.get(path, async (_request, reply) => answer(reply))
  }
  await server.listen({ host: options.host, port: options.port })
  return { close: () => closeServer(server) }
}

/** Opens an HTTP listener as soon as its address can be had, trying again and again. */
export function keepListening(options: ListenOptions): Listener {
  let closed = false
  let told = ''
  let timer: NodeJS.Timeout | undefined
  let opening: Promise<Listener | undefined> = Promise.resolve(undefined)
  const attempt = (): void => {
    opening = listen(options).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== told) {
        const { host, port, log, what } = options
        log.error({ host, port, reason }, `${what} cannot be served yet; it is tried again every 5 s`)
        options.onFailure?.(reason)
      }
      told = reason
      if (!closed) timer = setTimeout(attempt, RETRY_MS).unref()
      return undefined
    })
  }
  attempt()
  return {
    async close() {
      closed = true
      clearTimeout(timer)
      await (await opening)?.close()
    },
  }
}

async function closeServer(server: FastifyInstance): Promise<void> {
  await server.close()
}
