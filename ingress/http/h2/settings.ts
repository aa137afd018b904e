import { Code, H2Fault } from './fault.ts'
import { DEFAULT_WINDOW, FRAME_SIZE, MOST_WINDOW, Setting } from './frames.ts'
import { TABLE_SIZE } from './hpack-tables.ts'

const MOST_FRAME = 2 ** 24 - 1

/** What the peer has told us of itself (RFC 9113 §6.5.2). Its MAX_FRAME_SIZE does not matter: ours are the smallest. */
export class PeerSettings {
  /** It has told us anything: the first frame of everybody is SETTINGS. */
  known = false
  initialWindow = DEFAULT_WINDOW
  /** Streams that we may have open at once. */
  maxStreams = Number.POSITIVE_INFINITY
  #tableSize = TABLE_SIZE
  #tableShrank = false

  read(payload: Buffer): void {
    if (payload.length % 6 !== 0) throw new H2Fault(Code.frameSize, 'SETTINGS of odd size')
    this.known = true
    for (let at = 0; at < payload.length; at += 6)
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
  }

  #set(id: number, value: number): void {
    switch (id) {
      case Setting.headerTable:
        this.#tableShrank ||= value < this.#tableSize
        this.#tableSize = value
        break
      case Setting.enablePush:
        if (value > 1) throw new H2Fault(Code.protocol, 'ENABLE_PUSH is neither 0 nor 1')
        break
      case Setting.maxStreams:
        this.maxStreams = value
        break
      case Setting.initialWindow:
        if (value > MOST_WINDOW) throw new H2Fault(Code.flowControl, 'INITIAL_WINDOW_SIZE too large')
        this.initialWindow = value
        break
      case Setting.maxFrame:
        if (value < FRAME_SIZE || value > MOST_FRAME)
          throw new H2Fault(Code.protocol, 'MAX_FRAME_SIZE out of range')
        break
    }
  }

  /**
   * What the next header block begins with. A peer that allows a smaller table waits to be told that it is smaller (RFC 7541
   * §4.2), although ours is never used.
   */
  tableUpdate(): string {
    if (!this.#tableShrank) return ''
    this.#tableShrank = false
    return '\x20'
  }
}
