import { randomInt } from 'node:crypto'
import { Class, encodeMessage, Type } from '../../wire/index.ts'
import type { Channel } from './exchange.ts'
import { httpsChannel } from './https-channel.ts'
import type { ForwardMetrics } from './metrics.ts'
import type { ForwardOptions, UpstreamAddress } from './options.ts'
import { tcpChannel } from './tcp-channel.ts'
import { udpChannel } from './udp-channel.ts'

const probeTimeoutMs = 1000

/** One server that queries are forwarded to, its connections and its health. */
export class Upstream {
  readonly address: UpstreamAddress
  /** '10.0.0.10:53', the `to` label */
  readonly label: string
  readonly #options: ForwardOptions
  readonly #metrics: ForwardMetrics
  readonly #udp: Channel
  readonly #tcp: Channel
  #fails = 0
  #probe: NodeJS.Timeout | undefined
  #closed = false
  /** smoothed time of an answer in ms; 0 while unknown */
  #rtt = 0

  constructor(address: UpstreamAddress, options: ForwardOptions, metrics: ForwardMetrics) {
    this.address = address
    this.#options = options
    this.#metrics = metrics
    const host = address.address.includes(':') ? `[${address.address}]` : address.address
    const scheme = address.tls === undefined ? '' : address.https === true ? 'https://' : 'tls://'
    this.label = `${scheme}${host}:${address.port}`
    const common = {
      address: address.address,
      port: address.port,
      expireMs: options.expireMs,
      source: options.source,
    }
    const onUse = (proto: string) => (how: 'hit' | 'miss') => metrics.connection(this.label, proto, how)
    this.#udp = udpChannel({ ...common, onUse: onUse('udp') })
    const { tls } = address
    if (address.https === true && tls !== undefined) {
      this.#tcp = httpsChannel({ ...common, tls, method: options.dohMethod, onUse: onUse('https') })
      return
    }
    this.#tcp = tcpChannel({
      ...common,
      maxAgeMs: options.maxAgeMs,
      maxIdle: options.maxIdle,
      tls: address.tls,
      onUse: onUse(address.tls === undefined ? 'tcp' : 'tcp-tls'),
    })
  }

  /** True when it failed more often than `max_fails`; probes go on until it answers. */
  get down(): boolean {
    return this.#options.maxFails > 0 && this.#fails > this.#options.maxFails
  }

  /** After how many ms without an answer another upstream may be asked as well. */
  get patienceMs(): number {
    const { readTimeoutMs } = this.#options
    if (this.#rtt === 0) return Math.min(readTimeoutMs, 1000)
    return Math.min(readTimeoutMs, Math.max(250, 4 * this.#rtt))
  }

  /** Sends a query; failures count against the health. */
  async exchange(query: Uint8Array, questionEnd: number, transport: 'udp' | 'tcp'): Promise<Buffer> {
    const channel = transport === 'udp' && this.address.tls === undefined ? this.#udp : this.#tcp
    const begin = performance.now()
    try {
      const reply = await channel.exchange(query, questionEnd, this.#options.readTimeoutMs)
      const took = performance.now() - begin
      this.#rtt = this.#rtt === 0 ? took : 0.875 * this.#rtt + 0.125 * took
      this.#metrics.answered(this.label, (reply[3] as number) & 15, took / 1000)
      return reply
    } catch (error) {
      this.#failed()
      throw error
    }
  }

  #failed(): void {
    this.#fails += 1
    if (this.#probe !== undefined || this.#closed || this.#options.maxFails === 0) return
    this.#schedule()
  }

  #schedule(): void {
    this.#probe = setTimeout(() => void this.#check(), this.#options.healthCheck.intervalMs)
    this.#probe.unref()
  }

  /** Any answer at all means that it is back. */
  async #check(): Promise<void> {
    const { domain, recursion } = this.#options.healthCheck
    const query = encodeMessage({
      id: randomInt(65_536),
      response: false,
      opcode: 0,
      authoritative: false,
      truncated: false,
      recursionDesired: recursion,
      recursionAvailable: false,
      authenticData: false,
      checkingDisabled: false,
      rcode: 0,
      questions: [{ name: domain, type: Type.NS, class: Class.IN }],
      answer: [],
      authority: [],
      additional: [],
    })
    const channel = this.address.tls !== undefined || this.#options.forceTcp ? this.#tcp : this.#udp
    try {
      await channel.exchange(query, query.length, probeTimeoutMs)
      this.#fails = 0
      this.#probe = undefined
    } catch {
      this.#metrics.probeFailed(this.label)
      this.#fails += 1
      if (!this.#closed) this.#schedule()
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#probe)
    this.#udp.close()
    this.#tcp.close()
  }
}
