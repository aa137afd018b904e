import { attributesOf, messagesOf } from '../codec/reader.ts'
import { NetlinkError } from '../errors.ts'
import * as ffi from '../ffi.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../socket.ts'
import * as c from './constants.ts'

/** NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h): one message for each object that a commit changed. */
const GROUP = 7
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_DROP_MEMBERSHIP = 2
/** NFT_MSG_NEWGEN closes the notifications of a commit; its attribute 1 is no table. */
const NFT_MSG_NEWGEN = 15
const DATAGRAMS_PER_TURN = 256

export interface NftMonitorOptions {
  /** Path of the namespace to watch. */
  netns?: string | undefined
  /** Something in that table was changed by a commit. Called for each table once per turn of the event loop. */
  onChange(table: { family: string; table: string }): void
  /** Notifications were lost: look at everything anew. */
  onLost(): void
}

/** Notifications about commits to nf_tables, on the event loop. It does not keep the process alive. */
export class NftMonitor {
  readonly #socket: NetlinkSocket
  readonly #options: NftMonitorOptions
  readonly #poll: ffi.PollHandle
  readonly #buffer = new Uint8Array(64 * 1024)
  #closed = false

  constructor(options: NftMonitorOptions) {
    this.#options = options
    this.#socket = new NetlinkSocket({
      protocol: NETLINK_NETFILTER,
      netns: options.netns,
      groups: [GROUP],
      receiveBuffer: 4 << 20,
      nonBlocking: true,
    })
    this.#poll = ffi.pollReadable(this.#socket.fd, () => this.#drain())
  }

  /**
   * Runs a commit of one's own that need not be told: without listeners the kernel does not even make the notifications,
   * which cost as much as the commit when it is large. What others commit meanwhile is not told either.
   */
  unheard<T>(commit: () => T): T {
    this.#membership(NETLINK_DROP_MEMBERSHIP)
    try {
      return commit()
    } finally {
      this.#membership(NETLINK_ADD_MEMBERSHIP)
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#poll.close()
    // libuv lets go of the descriptor when the handle's close callback has run, after this turn.
    setImmediate(() => this.#socket.close())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #membership(option: number): void {
    if (this.#closed) return
    const group = new Uint8Array(new Uint32Array([GROUP]).buffer)
    if (ffi.setsockopt(this.#socket.fd, ffi.SOL_NETLINK, option, group) < 0) {
      throw new NetlinkError({ errno: ffi.errno(), request: `nf_tables monitor: setsockopt ${option}` })
    }
  }

  #drain(): void {
    const touched = new Map<string, { family: string; table: string }>()
    let lost = false
    // uv_poll is level triggered: what is left over is reported again.
    for (let i = 0; i < DATAGRAMS_PER_TURN && !this.#closed; i += 1) {
      try {
        const length = this.#socket.receive(this.#buffer, 'NftMonitor', { dontWait: true })
        if (length === undefined) break
        for (const message of messagesOf(this.#buffer, length)) {
          if (message.type >> 8 !== c.NFNL_SUBSYS_NFTABLES || (message.type & 0xff) === NFT_MSG_NEWGEN)
            continue
          const family = c.familyName(message.bytes[message.body] ?? 0)
          // The first attribute of every object is its table's name (of a table: its own).
          const table = attributesOf(message, c.NFGENMSG).string(1)
          if (family !== undefined && table !== undefined)
            touched.set(`${family} ${table}`, { family, table })
        }
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error
        if (error.code !== 'ENOBUFS' && error.code !== 'NETLINK_FORMAT') throw error
        lost = true
      }
    }
    if (this.#closed) return
    if (lost) this.#options.onLost()
    for (const table of touched.values()) this.#options.onChange(table)
  }
}
