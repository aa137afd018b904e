import { Code, H2Fault } from './fault.ts'
import { Flag } from './frames.ts'

/** A header block that is complete. */
export interface HeaderBlock {
  readonly stream: number
  readonly endStream: boolean
  readonly bytes: Buffer
}

/** Puts header blocks together that come in several frames (RFC 9113 §4.3, §6.10). */
export class HeaderBlocks {
  readonly #limit: number
  #open: { readonly stream: number; readonly endStream: boolean } | undefined
  #pieces: Buffer[] = []
  #size = 0

  /** Blocks of more bytes than `limit` end the connection. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The stream whose block has begun, if one has: nothing else may come before its end. */
  get stream(): number | undefined {
    return this.#open?.stream
  }

  begin(stream: number, flags: number, fragment: Buffer): HeaderBlock | undefined {
    this.#open = { stream, endStream: (flags & Flag.endStream) !== 0 }
    this.#size = 0
    return this.add(flags, fragment)
  }

  /** Adds a fragment; the block if that was its last. */
  add(flags: number, fragment: Buffer): HeaderBlock | undefined {
    const open = this.#open
    if (open === undefined) throw new H2Fault(Code.protocol, 'CONTINUATION of nothing')
    this.#size += fragment.length
    if (this.#size > this.#limit) throw new H2Fault(Code.enhanceYourCalm, 'header block too large')
    if ((flags & Flag.endHeaders) === 0) {
      this.#pieces.push(Buffer.from(fragment))
      return undefined
    }
    const bytes = this.#pieces.length === 0 ? fragment : Buffer.concat([...this.#pieces, fragment])
    this.#open = undefined
    this.#pieces = []
    return { ...open, bytes }
  }
}
