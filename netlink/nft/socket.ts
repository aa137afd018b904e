import { attributesOf, type Message, messagesOf } from '../codec/reader.ts'
import { MessageWriter } from '../codec/writer.ts'
import { isNotFound, NetlinkError, NOT_FOUND_ERRNOS } from '../errors.ts'
import * as ffi from '../ffi.ts'
import { NETLINK_NETFILTER, type NetlinkRequest, NetlinkSocket, NLMSG_ERROR } from '../socket.ts'
import * as c from './constants.ts'
import { decodeChain, decodeRule, decodeSet, decodeTable } from './decode.ts'
import { decodeElements, joinRanges, type WireElement } from './decode-elements.ts'
import { decodePacked, type PackedElement } from './decode-packed.ts'
import { type SentMessage, writeBatch, writeNfgenmsg } from './encode.ts'
import { explain, NftError, type Refusal, withoutFollowers } from './errors.ts'
import { NFT_SCHEMAS } from './schema.ts'
import { describeOperation } from './text.ts'
import type { NftTransaction } from './transaction.ts'
import type * as t from './types.ts'

/** A batch is one send() and has to fit; the kernel takes memory only for what is sent. */
const SEND_BUFFER = 1 << 29
/** One error per message of a refused batch has to fit. */
const RECEIVE_BUFFER = 1 << 27
/** A rehash takes milliseconds. */
const HASH_ATTEMPTS = 100
/** Dumps this short fit into one datagram, and so are taken in one go. */
const ONE_DATAGRAM = 40
const EAGAIN = 11
const SLEEP = new Int32Array(new SharedArrayBuffer(4))
/** A batch's buffer is kept for the next one up to this size. */
const KEEP_BUFFER = 1 << 20

type ObjectKind = keyof typeof c.MESSAGES

/** `second` is the chain of rules, the name of a set. */
interface ObjectFilter {
  family?: t.NftFamily | undefined
  table?: string | undefined
  second?: string | undefined
}

/** nf_tables in one namespace. Every call is synchronous. */
export class NftSocket {
  readonly #socket: NetlinkSocket
  readonly #errors = new Uint8Array(16 * 1024)
  #writer = new MessageWriter(64 * 1024)

  /** `netns` is the path of a namespace; default: the one the thread is in. */
  constructor(options: { netns?: string | undefined } = {}) {
    this.#socket = new NetlinkSocket({
      protocol: NETLINK_NETFILTER,
      netns: options.netns,
      sendBuffer: SEND_BUFFER,
      receiveBuffer: RECEIVE_BUFFER,
    })
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * Applies a transaction: all of it, atomically for packets, or nothing. Throws NftError with every refused change (of
   * those that make the chains invalid the first), or the transaction's own first mistake. With `generation` it fails with ERESTART if anybody has changed the
   * namespace's ruleset since that generation.
   */
  commit(tx: NftTransaction, options: { generation?: number | undefined } = {}): void {
    if (tx.error !== undefined) throw tx.error
    if (tx.empty) return
    const writer = this.#writer
    writer.reset()
    const rangeForm = (set: t.NftSetRef): 'pair' | 'key-end' => this.#rangeForm(set)
    const messages = writeBatch(writer, tx, {
      nextSeq: () => this.#socket.nextSeq(),
      rangeForm,
      generation: options.generation,
    })
    if (ffi.send(this.#socket.fd, writer.storage, writer.length, 0) < 0) {
      throw new NetlinkError({
        errno: ffi.errno(),
        request: `nf_tables commit of ${writer.length} bytes: send`,
      })
    }
    const refusals = this.#collect(messages, writer.storage)
    if (writer.storage.length > KEEP_BUFFER) this.#writer = new MessageWriter(64 * 1024)
    const [first] = refusals
    if (first === undefined) return
    throw new NftError(
      refusals.map(({ failure }) => failure),
      {
        errno: first.errno,
        ...(first.attribute === undefined ? {} : { attribute: first.attribute }),
        ...(first.detail === undefined ? {} : { detail: first.detail }),
      },
    )
  }

  /** The commit ran within send(): its errors are there, or there are none. */
  #collect(messages: readonly SentMessage[], bytes: Uint8Array): Refusal[] {
    const replies: Message[] = []
    for (;;) {
      let length: number | undefined
      try {
        length = this.#socket.receive(this.#errors, 'nf_tables commit', { dontWait: true })
      } catch (error) {
        // More errors than the buffer holds: those that were kept have to do.
        if (error instanceof NetlinkError && error.code === 'ENOBUFS') continue
        throw error
      }
      if (length === undefined) break
      for (const message of messagesOf(this.#errors.slice(0, length), length)) {
        if (message.type === NLMSG_ERROR) replies.push(message)
      }
    }
    if (replies.length === 0) return []
    const sets = new Map<string, t.NftSetSpec>()
    for (const { operation } of messages) {
      if (operation.object === 'set') describeOperation(operation, sets)
    }
    const bySeq = new Map(messages.map((message) => [message.seq, message]))
    const refusals = replies
      .map((reply) => explain(reply, bySeq.get(reply.seq), { bytes, sets }))
      .filter((refusal) => refusal.errno !== 0)
    return withoutFollowers(refusals)
  }

  /** All tables. */
  tables(): t.NftTable[] {
    return this.#dump('table', {}, decodeTable)
  }

  /** Chains of a table; [] if there is no such table. */
  chains(family: t.NftFamily, table: string): t.NftChain[] {
    // The kernel has no filter by table here.
    return this.#dump('chain', { family }, decodeChain).filter((chain) => chain.table === table)
  }

  /** Rules of a table, or of one chain, in order. */
  rules(family: t.NftFamily, table: string, chain?: string): t.NftRule[] {
    return this.#dump('rule', { family, table, second: chain }, decodeRule)
  }

  /** Sets and maps of a table, anonymous ones included. */
  sets(family: t.NftFamily, table: string): t.NftSet[] {
    return this.#emptyIfMissing(() => this.#dump('set', { family, table }, decodeSet))
  }

  /** One set or map, undefined if there is none. */
  set(ref: t.NftSetRef): t.NftSet | undefined {
    let found: t.NftSet | undefined
    const request = this.#request('set', { family: ref.family, table: ref.table, second: ref.set })
    this.#socket.request({ ...request, expected: NOT_FOUND_ERRNOS }, (message) => {
      found = decodeSet(message)
    })
    return found
  }

  /** Elements of a set or map; ENOENT if there is no such set. Ranges come with an inclusive `keyEnd`. */
  elements(family: t.NftFamily, table: string, set: string): t.NftElement[] {
    const ref = { family, table, set }
    const about = this.set(ref)
    const has = (...flags: t.NftSet['flags'][number][]): boolean =>
      flags.some((flag) => about?.flags.includes(flag) === true)
    const pairs = has('interval') && !has('concat')
    // Only hash tables are rehashed, and only sets without timeouts can be counted.
    const wire = has('interval', 'timeout', 'dynamic') ? this.#dumpElements(ref) : this.#dumpHashed(ref)
    return joinRanges(wire, { pairs })
  }

  /**
   * The elements of a set or map without plain ranges and timeouts, several times faster than `elements`. One may come more
   * than once: `collect` returns how many different ones there were, and the dump is repeated until that is all of them.
   */
  packedElements(
    family: t.NftFamily,
    table: string,
    set: string,
    collect: (element: PackedElement) => number,
  ): void {
    const ref = { family, table, set }
    const request = this.#request('elements', { family, table, second: set })
    const ranges = this.set(ref)?.flags.includes('interval') === true
    let previous = -1
    for (let attempt = 0; attempt < HASH_ATTEMPTS; attempt += 1) {
      let distinct = 0
      let seen = 0
      this.#socket.dump(request, (message) => {
        decodePacked(message, (element) => {
          distinct = collect(element)
          seen += 1
        })
        return undefined
      })
      if (ranges || seen < ONE_DATAGRAM || distinct === (this.set(ref)?.count ?? previous)) return
      previous = distinct
      Atomics.wait(SLEEP, 0, 0, 2)
    }
    throw rehashing(ref)
  }

  /**
   * The kernel grows hash tables in the background after many elements came, and a dump that runs meanwhile misses
   * some without saying so (nft_rhash_walk). So the dump is repeated until it holds as many elements as the set, or
   * on kernels without NFTA_SET_COUNT until two dumps in a row are of one length.
   */
  #dumpHashed(ref: t.NftSetRef): WireElement[] {
    let previous = -1
    for (let attempt = 0; attempt < HASH_ATTEMPTS; attempt += 1) {
      const wire = this.#dumpElements(ref)
      if (wire.length < ONE_DATAGRAM) return wire
      const distinct = new Set(
        wire.map(({ key }) => Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')),
      )
      const count = this.set(ref)?.count ?? previous
      if (distinct.size === wire.length && distinct.size === count) return wire
      previous = distinct.size
      Atomics.wait(SLEEP, 0, 0, 2)
    }
    throw rehashing(ref)
  }

  #dumpElements({ family, table, set }: t.NftSetRef): WireElement[] {
    const all: WireElement[] = []
    const request = this.#request('elements', { family, table, second: set })
    const parts = this.#socket.dump(request, (message) => {
      const part: WireElement[] = []
      decodeElements(message, part)
      return part
    })
    for (const part of parts) for (const element of part) all.push(element)
    return all
  }

  /** Number that changes with every commit of anybody in the namespace. */
  generation(): number {
    let generation = 0
    this.#socket.request(
      {
        label: 'NFT_MSG_GETGEN',
        type: (c.NFNL_SUBSYS_NFTABLES << 8) | c.NFT_MSG_GETGEN,
        flags: 0,
        header: c.NFGENMSG,
        schema: NFT_SCHEMAS.table,
        body: (w) => writeNfgenmsg(w, 0),
      },
      (message) => {
        generation = attributesOf(message, c.NFGENMSG).u32Be(1) ?? 0
      },
    )
    return generation
  }

  #rangeForm(ref: t.NftSetRef): 'pair' | 'key-end' {
    return this.set(ref)?.flags.includes('concat') === true ? 'key-end' : 'pair'
  }

  #request(kind: ObjectKind, filter: ObjectFilter): NetlinkRequest {
    const { family, table, second } = filter
    const what = [family, table, second].filter((part) => part !== undefined).join(' ')
    return {
      label: `nf_tables get ${kind} ${what}`,
      type: (c.NFNL_SUBSYS_NFTABLES << 8) | c.MESSAGES[kind].get,
      flags: 0,
      header: c.NFGENMSG,
      schema: NFT_SCHEMAS[kind],
      body: (w) => {
        writeNfgenmsg(w, family === undefined ? 0 : c.FAMILIES[family])
        if (table !== undefined) w.attrString(1, table)
        if (second !== undefined) w.attrString(2, second)
      },
    }
  }

  #dump<T>(kind: ObjectKind, filter: ObjectFilter, decode: (message: Message) => T | undefined): T[] {
    return this.#socket.dump(this.#request(kind, filter), decode)
  }

  #emptyIfMissing<T>(read: () => T[]): T[] {
    try {
      return read()
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  }
}

function rehashing({ family, table, set }: t.NftSetRef): NetlinkError {
  return new NetlinkError({
    errno: EAGAIN,
    request: `nf_tables get elements ${family} ${table} ${set}`,
    detail: `no whole dump in ${HASH_ATTEMPTS} attempts, the set keeps being rehashed`,
  })
}
