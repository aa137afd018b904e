import {
  type Edns,
  encodeMessage,
  Flag,
  Opcode,
  type Question,
  readName,
  readU16,
  Type,
} from '../wire/index.ts'
import type { Outcome } from './plugin.ts'

export type Transport = 'udp' | 'tcp' | 'tls' | 'https'

/** The two ends a query came in on. */
export interface Peer {
  readonly transport: Transport
  readonly clientFamily: 4 | 6
  readonly clientAddress: string
  readonly clientPort: number
  readonly localAddress: string
  readonly localPort: number
}

/** What a query needs of the server it came to. */
export interface QueryHome {
  /** 'dns://:53', the `server` label of metrics */
  readonly label: string
  /** Runs a query through the whole server again, from the choice of the block on. */
  resolve(query: Query): Outcome
}

interface QueryParts {
  readonly wire: Uint8Array
  readonly questionEnd: number
  readonly name: string
  readonly edns: Edns | undefined
  readonly peer: Peer
  readonly home: QueryHome
  readonly maxSize: number
  readonly depth?: number | undefined
}

/** A query sent to another server, and what came back (undefined: nothing). */
export interface UpstreamExchange {
  readonly address: string
  readonly port: number
  readonly transport: Transport
  readonly query: Uint8Array
  readonly reply: Uint8Array | undefined
  /** ms since 1970 */
  readonly began: number
}

/** How often a query may lead to another one inside the server (CNAME chains). */
export const maxDepth = 10

/**
 * A query as plugins see it. It reads from the octets it came in; nothing is decoded that nobody asks for.
 * Exactly one question, class and opcode already judged by the server.
 */
export class Query {
  /** header and question are valid here; the rest is as it came */
  readonly wire: Uint8Array
  /** octet after the question */
  readonly questionEnd: number
  /** the name in lower case */
  readonly name: string
  readonly type: number
  readonly class: number
  /** as it came, but for `lowerSize` */
  edns: Edns | undefined
  readonly peer: Peer
  readonly home: QueryHome
  readonly depth: number
  /** largest reply in octets; plugins may lower it */
  maxSize: number
  #sizeLowered = false
  #authenticData = false
  /** zone of the server block that takes the query; set by the server */
  zone = '.'
  /** name of the view that let the query in ('' without) */
  view = ''
  /** labels that plugins publish (`metadata`), by name */
  labels: ((name: string) => string | undefined) | undefined
  /** told the size of the answer in octets once it is written */
  responseSize: { observe(size: number): void } | undefined
  /** called when the answer is written, with its octets (good during the call); for logs. See `whenSent` */
  onSent: ((size: number, octets: Uint8Array) => void) | undefined
  /** the span that the next plugin's belongs to; for *trace* */
  span: { readonly traceId: string; readonly id: string } | undefined
  /** told of each exchange with an upstream; for *dnstap* */
  onExchange: ((exchange: UpstreamExchange) => void) | undefined
  /** signs the octets of an answer in the buffer they stand in, and gives their new length */
  seal: ((out: Buffer, length: number) => number) | undefined

  constructor(parts: QueryParts) {
    this.wire = parts.wire
    this.questionEnd = parts.questionEnd
    this.name = parts.name
    this.type = readU16(parts.wire, parts.questionEnd - 4)
    this.class = readU16(parts.wire, parts.questionEnd - 2)
    this.edns = parts.edns
    this.peer = parts.peer
    this.home = parts.home
    this.maxSize = parts.maxSize
    this.depth = parts.depth ?? 0
  }

  get id(): number {
    return readU16(this.wire, 0)
  }

  get flags(): number {
    return readU16(this.wire, 2)
  }

  get opcode(): number {
    return (this.flags >> 11) & 15
  }

  get recursionDesired(): boolean {
    return (this.flags & Flag.RD) !== 0
  }

  get checkingDisabled(): boolean {
    return (this.flags & Flag.CD) !== 0
  }

  get dnssecOk(): boolean {
    return this.edns?.dnssecOk === true
  }

  /** The name with the letter case the client wrote. */
  get originalName(): string {
    return readName(this.wire, 12).name
  }

  get question(): Question {
    return { name: this.originalName, type: this.type, class: this.class }
  }

  /** What the client takes, in octets, as *log* and *view* show it. */
  get bufferSize(): number {
    return this.peer.transport === 'udp' ? Math.max(512, this.edns?.udpSize ?? 512) : 65_535
  }

  /** Size of the query as it came, in octets. */
  get size(): number {
    return this.wire.length
  }

  /** For everybody behind, upstreams too, the client takes no UDP answers above `size` octets. */
  lowerSize(size: number): void {
    if (this.edns === undefined || this.edns.udpSize <= size) return
    this.edns = { ...this.edns, udpSize: size }
    if (this.peer.transport === 'udp') this.maxSize = Math.min(this.maxSize, size)
    this.#sizeLowered = true
  }

  /** Other servers are to say whether they have validated (RFC 6840 §5.7), whatever this client wants. */
  askAuthentic(): void {
    this.#authenticData = true
  }

  /** The octets to send to another server. */
  get outgoing(): Uint8Array {
    const octets = this.#sizeLowered ? this.derive({}).wire : this.wire
    if (!this.#authenticData || (this.flags & Flag.AD) !== 0) return octets
    const changed = Uint8Array.from(octets)
    changed[3] = (changed[3] as number) | Flag.AD
    return changed
  }

  /** Calls `listener` when the answer is written, after those who asked before. */
  whenSent(listener: (size: number, octets: Uint8Array) => void): void {
    const before = this.onSent
    this.onSent =
      before === undefined
        ? listener
        : (size, octets) => {
            before(size, octets)
            listener(size, octets)
          }
  }

  /** Calls `listener` for each exchange with an upstream, after those who asked before. */
  whenExchanged(listener: (exchange: UpstreamExchange) => void): void {
    const before = this.onExchange
    this.onExchange = (exchange) => {
      before?.(exchange)
      listener(exchange)
    }
  }

  /** The same query for another name or type: for plugins that ask on. */
  derive(change: {
    name?: string | undefined
    type?: number | undefined
    class?: number | undefined
    edns?: Edns | undefined
    recursionDesired?: boolean | undefined
  }): Query {
    const name = change.name ?? this.originalName
    const edns = 'edns' in change ? change.edns : this.edns
    const wire = encodeMessage({
      id: this.id,
      response: false,
      opcode: Opcode.QUERY,
      authoritative: false,
      truncated: false,
      recursionDesired: change.recursionDesired ?? this.recursionDesired,
      recursionAvailable: false,
      authenticData: (this.flags & Flag.AD) !== 0,
      checkingDisabled: this.checkingDisabled,
      rcode: 0,
      questions: [{ name, type: change.type ?? this.type, class: change.class ?? this.class }],
      answer: [],
      authority: [],
      additional: [],
      edns,
    })
    const query = new Query({
      wire,
      questionEnd: questionEndOf(wire),
      name: name.toLowerCase(),
      edns,
      peer: this.peer,
      home: this.home,
      maxSize: this.maxSize,
      depth: this.depth,
    })
    query.zone = this.zone
    query.view = this.view
    query.labels = this.labels
    query.onExchange = this.onExchange
    query.span = this.span
    return query
  }

  /** What the whole server answers for another name or type (an external CNAME target). Undefined when too deep. */
  resolve(name: string, type: number = this.type): Outcome | undefined {
    if (this.depth >= maxDepth) return undefined
    const derived = this.derive({ name, type })
    const query = new Query({ ...derived, depth: this.depth + 1 })
    return this.home.resolve(query)
  }
}

function questionEndOf(wire: Uint8Array): number {
  return readName(wire, 12).next + 4
}

/** True for types that ask for a zone transfer. */
export function isTransfer(type: number): boolean {
  return type === Type.AXFR || type === Type.IXFR
}
