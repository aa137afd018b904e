import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { Logger } from 'pino'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure } from '../../core/reply.ts'
import type { BlockSettings, InstanceView } from '../../core/setup.ts'
import type { Counter, MetricFamilies } from '../../metrics/metrics.ts'
import { Class, encodeMessage, Rcode, Type } from '../../wire/index.ts'

const retryMs = 1000
const giveUpMs = 30_000
/** while a loop is there: how often to look whether it is gone */
const recheckMs = 30_000
/** the probe is seen once on its way in; more often only if it came back */
const seenTwice = 2

export interface LoopOptions {
  readonly zone: string
  readonly log: Logger
  readonly instance: InstanceView
  readonly block: BlockSettings
  readonly metrics: MetricFamilies
}

/**
 * Finds forwarding loops: sends a query with a random name to its own server; when that name comes back, the upstreams
 * lead here. Where CoreDNS ends the process, the rest of the block goes on: what would be forwarded gets SERVFAIL, the
 * plugin is not ready, and it looks again every 30 seconds.
 */
export class LoopPlugin implements Plugin {
  readonly name = 'loop'
  readonly #options: LoopOptions
  readonly #detections: Counter
  #probe = ''
  #seen = 0
  #looping = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: LoopOptions) {
    this.#options = options
    this.#detections = options.metrics.counter('plexus_dns_loops_total', 'Forwarding loops found.', ['zone'])
  }

  handle(query: Query, next: Next): Outcome {
    if (this.#probe !== '' && query.type === Type.HINFO && query.name === this.#probe) {
      this.#seen += 1
      if (this.#seen > seenTwice) {
        this.#found(query)
        return failure(Rcode.SERVFAIL, this.name)
      }
      return next(query)
    }
    if (this.#looping) {
      return failure(
        Rcode.SERVFAIL,
        this.name,
        new Error(`forwarding loop: the upstreams of zone ${query.zone} lead back to this server`),
      )
    }
    return next(query)
  }

  ready(): boolean {
    return !this.#looping
  }

  trouble(): string | undefined {
    return this.#looping ? `forwarding loop in zone ${this.#options.zone}` : undefined
  }

  start(): void {
    this.#timer = setTimeout(() => this.#begin(), 50)
    this.#timer.unref()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #found(query: Query): void {
    this.#probe = ''
    clearTimeout(this.#timer)
    if (!this.#looping) {
      this.#detections.cell(this.#options.zone).value += 1
      this.#options.log.error(
        {
          object: `zone ${this.#options.zone}`,
          client: `${query.peer.clientAddress}:${query.peer.clientPort}`,
        },
        `Loop (${query.peer.clientAddress}:${query.peer.clientPort} -> ${query.home.label}) detected for zone "${this.#options.zone}": ` +
          'what would be forwarded gets SERVFAIL until the upstreams (often 127.0.0.53 in /etc/resolv.conf) are changed',
      )
    }
    this.#looping = true
    this.#again()
  }

  #again(): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => this.#begin(), recheckMs)
    this.#timer.unref()
  }

  #begin(): void {
    const zone = this.#options.zone === '.' ? '' : this.#options.zone
    const label = (): string => randomBytes(8).readBigUInt64BE().toString()
    this.#probe = `${label()}.${label()}.${zone}`
    this.#seen = 0
    const wasLooping = this.#looping
    const deadline = performance.now() + giveUpMs
    const attempt = (): void => {
      if (this.#stopped || this.#probe === '') return
      if (performance.now() > deadline) {
        this.#finish({ wasLooping })
        return
      }
      this.#seen = 0
      this.#send((answered) => {
        if (this.#stopped || this.#probe === '') return
        if (answered) this.#finish({ wasLooping })
        else {
          this.#timer = setTimeout(attempt, retryMs)
          this.#timer.unref()
        }
      })
    }
    attempt()
  }

  #finish(before: { wasLooping: boolean }): void {
    this.#probe = ''
    this.#looping = false
    if (before.wasLooping)
      this.#options.log.info({ object: `zone ${this.#options.zone}` }, 'the forwarding loop is gone')
  }

  /** Asks our own server over UDP; `done(true)` when an answer other than SERVFAIL came. */
  #send(done: (answered: boolean) => void): void {
    const address = this.#options.block.bind[0] ?? '127.0.0.1'
    const port = this.#port()
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    let open = true
    const finish = (answered: boolean): void => {
      if (!open) return
      open = false
      clearTimeout(timer)
      socket.close()
      done(answered)
    }
    const timer = setTimeout(() => finish(false), retryMs)
    timer.unref()
    socket.unref()
    socket.on('error', () => finish(false))
    socket.on('message', (reply) => finish(((reply[3] ?? 0) & 15) !== Rcode.SERVFAIL))
    socket.send(probeMessage(this.#probe), port, address)
  }

  #port(): number {
    const wanted = this.#options.block.keys[0]?.port ?? 53
    return wanted === 0 ? (this.#options.instance.localPorts()[0] ?? 53) : wanted
  }
}

function probeMessage(name: string): Buffer {
  return encodeMessage({
    id: randomBytes(2).readUInt16BE(),
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name, type: Type.HINFO, class: Class.IN }],
    answer: [],
    authority: [],
    additional: [],
  })
}
