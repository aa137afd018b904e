import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import type { HostPort } from '../../core/host-port.ts'
import { Class, encodeMessage, Opcode, Rcode, rcodeName, Type } from '../../wire/index.ts'

const attempts = 3
const intervalMs = 2000
/** A secondary that is told asks at once: by then we have to listen, and a burst of changes is told once. */
const settleMs = 500

/** Tells secondaries of new serials (RFC 1996). */
export class Notifier {
  readonly #log: Logger
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #due = new Map<string, NodeJS.Timeout>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Tells each secondary soon, again until it answers. */
  notify(zone: string, secondaries: readonly HostPort[], source: string | undefined): void {
    clearTimeout(this.#due.get(zone))
    const timer = setTimeout(() => {
      this.#due.delete(zone)
      for (const at of secondaries) this.#tell({ zone, at, source }, attempts)
    }, settleMs)
    timer.unref()
    this.#due.set(zone, timer)
  }

  stop(): void {
    for (const timer of [...this.#timers, ...this.#due.values()]) clearTimeout(timer)
  }

  #tell(what: { zone: string; at: HostPort; source: string | undefined }, left: number): void {
    const { zone, at, source } = what
    const object = `zone ${zone}`
    if (left === 0) {
      this.#log.warn({ object, secondary: at.address }, 'the secondary does not answer to NOTIFY')
      return
    }
    const id = randomInt(65_536)
    const socket = createSocket(isIPv6(at.address) ? 'udp6' : 'udp4')
    socket.unref()
    const finish = (): void => {
      clearTimeout(timer)
      this.#timers.delete(timer)
      socket.close()
    }
    const timer = setTimeout(() => {
      finish()
      this.#tell(what, left - 1)
    }, intervalMs)
    timer.unref()
    this.#timers.add(timer)
    // Nothing listens there, or the source is not ours: the next attempt may find it otherwise.
    socket.on('error', () => undefined)
    socket.on('message', (reply) => {
      if (reply.length < 12 || reply.readUInt16BE(0) !== id) return
      finish()
      const rcode = (reply[3] ?? 0) & 15
      if (rcode !== Rcode.NOERROR)
        this.#log.warn({ object, secondary: at.address, rcode: rcodeName(rcode) }, 'NOTIFY was not taken')
    })
    socket.bind(0, source, () => socket.send(notification(zone, id), at.port, at.address))
  }
}

function notification(zone: string, id: number): Buffer {
  return encodeMessage({
    id,
    response: false,
    opcode: Opcode.NOTIFY,
    authoritative: true,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name: zone, type: Type.SOA, class: Class.IN }],
    answer: [],
    authority: [],
    additional: [],
  })
}
