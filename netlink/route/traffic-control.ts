import { readFileSync } from 'node:fs'
import { Attributes, type Message, readU32 } from '../codec/reader.ts'
import type { Schema } from '../codec/schema.ts'
import type { MessageWriter } from '../codec/writer.ts'
import { NETLINK_ROUTE, NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL } from '../socket.ts'

const RTM_NEWQDISC = 36
const RTM_DELQDISC = 37
const RTM_GETQDISC = 38
const RTM_NEWTFILTER = 44

/** tcmsg of linux/rtnetlink.h: family u8, 3 bytes, ifindex, handle, parent, info. */
const TCMSG = 20
const TC_H_ROOT = 0xffffffff
const TC_H_INGRESS = 0xfffffff1
const INGRESS_HANDLE = 0xffff0000
/** Handle 1: of a root queue. */
const ROOT_HANDLE = 0x00010000
/** tcm_info of a filter: priority 1, ETH_P_ALL in network order. */
const FIRST_OF_ALL = (1 << 16) | 0x0300

const SCHEMA: Schema = {
  names: { 1: 'TCA_KIND', 2: 'TCA_OPTIONS' },
}

/** A token bucket (tc-tbf(8)): bytes per second, bytes. */
export interface TokenBucket {
  readonly rate: number
  readonly burst: number
  /** Bytes that may wait; what comes beyond is dropped. */
  readonly limit: number
}

export interface Qdisc {
  readonly index: number
  readonly kind: string
  readonly handle: number
  readonly parent: number
  /** Of kind 'tbf'. `buffer` is the burst as the kernel keeps it: scheduler ticks at `rate`. */
  readonly tbf?: { readonly rate: number; readonly limit: number; readonly buffer: number } | undefined
}

/** Queueing disciplines of a namespace, as far as shaping a pod needs them. Synchronous, like RouteSocket. */
export class TrafficControlSocket {
  readonly #socket: NetlinkSocket

  /** `netns` is the path of a namespace; default: the one the thread is in. */
  constructor(options: { netns?: string | undefined } = {}) {
    this.#socket = new NetlinkSocket({ protocol: NETLINK_ROUTE, netns: options.netns })
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Makes a token bucket the root queue of a link; EEXIST if it has one of its own. */
  addTokenBucket(index: number, bucket: TokenBucket): void {
    this.#do(`RTM_NEWQDISC tbf on ${index}`, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, (w) => {
      writeTcmsg(w, { index, handle: ROOT_HANDLE, parent: TC_H_ROOT })
      w.attrString(1, 'tbf')
      const options = w.nest(2)
      w.attrBytes(1, tbfParameters(bucket))
      if (bucket.rate > 0xffffffff) w.attrBytes(4, u64(bucket.rate))
      w.endNest(options)
    })
  }

  /** Sends everything a link receives to another one instead (u32 match-all, mirred redirect). */
  redirectIngress(index: number, target: number): void {
    this.#do(`RTM_NEWQDISC ingress on ${index}`, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, (w) => {
      writeTcmsg(w, { index, handle: INGRESS_HANDLE, parent: TC_H_INGRESS })
      w.attrString(1, 'ingress')
      w.endNest(w.nest(2))
    })
    this.#do(`RTM_NEWTFILTER u32 on ${index}`, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, (w) => {
      writeTcmsg(w, { index, handle: 0, parent: INGRESS_HANDLE, info: FIRST_OF_ALL })
      w.attrString(1, 'u32')
      const options = w.nest(2)
      // TCA_U32_CLASSID 1:1, TCA_U32_SEL, TCA_U32_ACT (linux/pkt_cls.h)
      w.attrU32(1, 0x00010001)
      w.attrBytes(5, matchAll())
      const actions = w.nest(7)
      const first = w.nest(1)
      w.attrString(1, 'mirred')
      const parameters = w.nest(2)
      w.attrBytes(2, redirectTo(target))
      w.endNest(parameters)
      w.endNest(first)
      w.endNest(actions)
      w.endNest(options)
    })
  }

  /** Removes the root queue a caller put on a link; the kernel's default takes its place. ENOENT if there is none. */
  deleteRoot(index: number): void {
    this.#do(`RTM_DELQDISC root of ${index}`, RTM_DELQDISC, 0, (w) =>
      writeTcmsg(w, { index, handle: 0, parent: TC_H_ROOT }),
    )
  }

  /** Removes the ingress queue of a link with its filters. EINVAL or ENOENT if there is none. */
  deleteIngress(index: number): void {
    this.#do(`RTM_DELQDISC ingress of ${index}`, RTM_DELQDISC, 0, (w) =>
      writeTcmsg(w, { index, handle: INGRESS_HANDLE, parent: TC_H_INGRESS }),
    )
  }

  /** Queueing disciplines of one link. */
  qdiscs(index: number): Qdisc[] {
    const request = {
      label: `RTM_GETQDISC ${index}`,
      type: RTM_GETQDISC,
      flags: 0,
      header: TCMSG,
      schema: SCHEMA,
      body: (w: MessageWriter) => writeTcmsg(w, { index, handle: 0, parent: 0 }),
    }
    // The kernel dumps one device when asked for one, but older ones do not.
    return this.#socket.dump(request, decodeQdisc).filter((qdisc) => qdisc.index === index)
  }

  #do(label: string, type: number, flags: number, body: (writer: MessageWriter) => void): void {
    this.#socket.request({ label, type, flags, body, header: TCMSG, schema: SCHEMA })
  }
}

function writeTcmsg(
  w: MessageWriter,
  { index, handle, parent, info = 0 }: { index: number; handle: number; parent: number; info?: number },
): void {
  for (const value of [0, index, handle, parent, info]) w.u32(value)
}

function decodeQdisc({ bytes, body, end }: Message): Qdisc {
  const attributes = new Attributes(bytes, body + TCMSG, end)
  const kind = attributes.string(1) ?? ''
  const parameters = kind === 'tbf' ? attributes.nested(2)?.bytes(1) : undefined
  const rate64 = kind === 'tbf' ? attributes.nested(2)?.bytes(4) : undefined
  return {
    index: readU32(bytes, body + 4),
    handle: readU32(bytes, body + 8) >>> 0,
    parent: readU32(bytes, body + 12) >>> 0,
    kind,
    tbf:
      parameters === undefined
        ? undefined
        : {
            rate: rate64 === undefined ? readU32(parameters, 8) >>> 0 : readU64(rate64),
            limit: readU32(parameters, 24) >>> 0,
            buffer: readU32(parameters, 28) >>> 0,
          },
  }
}

/** tc_tbf_qopt of linux/pkt_sched.h: rate and peak rate (tc_ratespec, 12 bytes each), limit, buffer, mtu. */
function tbfParameters({ rate, burst, limit }: TokenBucket): Uint8Array {
  const bytes = new Uint8Array(36)
  const view = new DataView(bytes.buffer)
  // With TCA_TBF_RATE64 the short rate is all ones.
  view.setUint32(8, Math.min(rate, 0xffffffff), true)
  view.setUint32(24, limit, true)
  view.setUint32(28, burstInTicks(rate, burst), true)
  return bytes
}

/** The time `burst` bytes take at `rate`, in the scheduler's ticks (tc_calc_xmittime of iproute2). */
export function burstInTicks(rate: number, burst: number): number {
  const microseconds = Math.floor((burst * 1e6) / rate)
  return Math.min(Math.floor(microseconds * ticksPerMicrosecond()), 0xffffffff)
}

let knownTicks: number | undefined

/** /proc/net/psched: ticks per microsecond are t2us / us2t, scaled by the clock's resolution. */
function ticksPerMicrosecond(): number {
  if (knownTicks !== undefined) return knownTicks
  const [t2us = 1, us2t = 1, resolution = 1e6] = readFileSync('/proc/net/psched', 'utf8')
    .trim()
    .split(/\s+/)
    .map((word) => Number.parseInt(word, 16))
  const scaled = resolution === 1e9 ? us2t : t2us
  knownTicks = (scaled / us2t) * (resolution / 1e6)
  return knownTicks
}

/** tc_u32_sel with one key that every packet matches; flag 1 is TC_U32_TERMINAL. */
function matchAll(): Uint8Array {
  const bytes = new Uint8Array(32)
  bytes[0] = 1
  bytes[2] = 1
  return bytes
}

/** tc_mirred: action TC_ACT_STOLEN (4), eaction TCA_EGRESS_REDIR (1), the interface. */
function redirectTo(target: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(0, 0, 4, 0, 0, 1, target).buffer)
}

function u64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
}

function readU64(bytes: Uint8Array): number {
  return readU32(bytes, 0) + (readU32(bytes, 4) >>> 0) * 2 ** 32
}
