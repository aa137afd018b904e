import { Code, H2Fault } from './fault.ts'

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** What every client sends first (RFC 9113 §3.4). */
export class Preface {
  #read = 0

  /** The offset behind as much of it as is here. */
  skip(buffer: Buffer, length: number): number {
    if (this.#read === PREFACE.length) return 0
    const size = Math.min(PREFACE.length - this.#read, length)
    if (buffer.compare(PREFACE, this.#read, this.#read + size, 0, size) !== 0)
      throw new H2Fault(Code.protocol, 'no preface')
    this.#read += size
    return size
  }
}
