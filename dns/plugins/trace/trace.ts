import { randomBytes } from 'node:crypto'
import { type Handle, type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { className, rcodeName, typeName } from '../../wire/index.ts'
import type { Reporter, Span } from './reporter.ts'

export interface TraceOptions {
  /** one of so many queries is traced */
  readonly every: number
  readonly service: string
}

/** Makes a span of each query, below it one of each plugin, and of what *forward* asked. */
export class TracePlugin implements Plugin {
  readonly name = 'trace'
  readonly #options: TraceOptions
  readonly #reporter: Reporter
  #count = 0

  constructor(options: TraceOptions, reporter: Reporter) {
    this.#options = options
    this.#reporter = reporter
  }

  start(): void {
    this.#reporter.start()
  }

  async stop(): Promise<void> {
    await this.#reporter.stop()
  }

  handle(query: Query, next: Next): Outcome {
    this.#count += 1
    if (this.#count % this.#options.every !== 0) return next(query)
    const traceId = randomBytes(16).toString('hex')
    const id = newId()
    const beganAt = now()
    query.whenExchanged(({ address, port, transport, began, reply }) => {
      this.#reporter.report({
        traceId,
        id: newId(),
        parentId: id,
        kind: 'CLIENT',
        name: 'connect',
        service: this.#options.service,
        beganAt: began,
        tookMs: Math.max(0, now() - began),
        remote: { address, port },
        tags: {
          'peer.address': `${address}:${port}`,
          proto: transport,
          ...(reply === undefined ? { error: 'no answer' } : {}),
        },
      })
    })
    query.span = { traceId, id }
    return onReply(next(query), (reply) => {
      this.#reporter.report(this.#span(query, reply, { traceId, id, beganAt }))
      return reply
    })
  }

  /** A span of the plugin's own, below that of the one before it. */
  around(plugin: Plugin): Handle {
    const { service } = this.#options
    return (query, next) => {
      const { span } = query
      if (span === undefined) return plugin.handle(query, next)
      const { traceId } = span
      const id = newId()
      const beganAt = now()
      const below: Next = (asked) => {
        asked.span = { traceId, id }
        return next(asked)
      }
      return onReply(plugin.handle(query, below), (reply) => {
        const tookMs = Math.max(0, now() - beganAt)
        const { name } = plugin
        this.#reporter.report({ traceId, id, parentId: span.id, name, service, beganAt, tookMs, tags: {} })
        return reply
      })
    }
  }

  #span(query: Query, reply: Reply, of: { traceId: string; id: string; beganAt: number }): Span {
    const { peer } = query
    return {
      ...of,
      kind: 'SERVER',
      name: `servedns:${query.home.label} ${query.zone}`,
      service: this.#options.service,
      tookMs: Math.max(0, now() - of.beganAt),
      remote: { address: peer.clientAddress, port: peer.clientPort },
      tags: {
        'coredns.io/name': query.originalName,
        'coredns.io/type': typeName(query.type),
        'coredns.io/class': className(query.class),
        'coredns.io/rcode': rcodeName(reply.rcode),
        'coredns.io/proto': peer.transport,
        'coredns.io/remote': peer.clientAddress,
        'coredns.io/plugin': reply.plugin,
        ...(reply.error === undefined ? {} : { error: reply.error.message }),
      },
    }
  }
}

function newId(): string {
  return randomBytes(8).toString('hex')
}

/** ms since 1970, with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
