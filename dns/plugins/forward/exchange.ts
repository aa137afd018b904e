import { randomInt } from 'node:crypto'

/** Why an upstream gave no answer. */
export class UpstreamError extends Error {
  readonly code: 'DNS_UPSTREAM_TIMEOUT' | 'DNS_UPSTREAM_CLOSED' | 'DNS_UPSTREAM_UNREACHABLE'

  constructor(code: UpstreamError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'UpstreamError'
    this.code = code
  }
}

/** One way of talking to one upstream. */
export interface Channel {
  /** Sends a query (its id is replaced) and resolves with the answer, or rejects with UpstreamError. */
  exchange(query: Uint8Array, questionEnd: number, timeoutMs: number): Promise<Buffer>
  close(): void
}

interface Waiting {
  readonly query: Uint8Array
  readonly questionEnd: number
  readonly resolve: (reply: Buffer) => void
  readonly reject: (error: UpstreamError) => void
  readonly timer: NodeJS.Timeout
}

/** The queries under way on one socket, by the id they were sent with. */
export class InFlight {
  readonly #label: string
  readonly #waiting = new Map<number, Waiting>()
  /** tells of each query that got no answer in time */
  onTimeout: () => void = () => undefined

  constructor(label: string) {
    this.#label = label
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Registers a query and gives the octets to send, with a new random id; undefined when ids run out. */
  add(
    query: Uint8Array,
    questionEnd: number,
    timeoutMs: number,
    settle: { resolve: (reply: Buffer) => void; reject: (error: UpstreamError) => void },
  ): Buffer | undefined {
    if (this.#waiting.size > 32_768) return undefined
    let id = randomInt(65_536)
    while (this.#waiting.has(id)) id = (id + 1) & 0xffff
    const timer = setTimeout(() => {
      this.#waiting.delete(id)
      this.onTimeout()
      settle.reject(
        new UpstreamError('DNS_UPSTREAM_TIMEOUT', `no answer from ${this.#label} within ${timeoutMs} ms`),
      )
    }, timeoutMs)
    this.#waiting.set(id, { query, questionEnd, timer, ...settle })
    const octets = Buffer.from(query)
    octets.writeUInt16BE(id, 0)
    return octets
  }

  /** Takes octets from the upstream; what answers nothing that was asked is ignored (it may be forged). */
  answer(octets: Buffer): void {
    if (octets.length < 12 || ((octets[2] as number) & 0x80) === 0) return
    const id = octets.readUInt16BE(0)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || !sameQuestion(octets, waiting)) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    waiting.resolve(octets)
  }

  /** Gives up everything under way. */
  fail(error: UpstreamError): void {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { timer, reject } of all) {
      clearTimeout(timer)
      reject(error)
    }
  }
}

/** The question must come back, in any letter case; servers may leave it out of FORMERR and the like. */
export function sameQuestion(
  octets: Buffer,
  waiting: { readonly query: Uint8Array; readonly questionEnd: number },
): boolean {
  const count = octets.readUInt16BE(4)
  if (count === 0) return ((octets[3] as number) & 15) !== 0
  if (count !== 1 || octets.length < waiting.questionEnd) return false
  for (let i = 12; i < waiting.questionEnd; i += 1) {
    const a = octets[i] as number
    const b = waiting.query[i] as number
    if (a !== b && lower(a) !== lower(b)) return false
  }
  return true
}

function lower(octet: number): number {
  return octet > 64 && octet < 91 ? octet + 32 : octet
}
