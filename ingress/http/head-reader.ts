import { emptyFraming, frameRequest } from './framing.ts'
import { type HeadFault, INCOMPLETE, RequestHead } from './head.ts'
import { freeRoom, takeRoom } from './head-room.ts'
import type { InputBuffer } from './input-buffer.ts'

const TOO_LARGE: HeadFault = { status: 431, reason: 'request head too large' }

/** Reads request heads from a connection's input, one after the other into the same table. */
export class HeadReader {
  readonly head = new RequestHead()
  readonly framing = emptyFraming()
  /** Where the current head lies, unless it is in the input. */
  #room: Buffer | undefined

  /** True: `head` and `framing` hold the next one; false: more of it has to come; a fault: it is to be refused. */
  read(input: InputBuffer, buffer: Buffer, limit: number): HeadFault | boolean {
    const { head } = this
    const size = input.held
    if (size <= limit && !input.worthParsing(buffer)) return false
    const next = head.parse(buffer, input.pos, input.end)
    if (next === INCOMPLETE) {
      input.scanned()
      return size > limit ? TOO_LARGE : false
    }
    if (head.fault !== undefined) return head.fault
    if (next - input.pos > limit) return TOO_LARGE
    const fault = frameRequest(head, this.framing)
    if (fault !== undefined) return fault
    if (input.borrowed) head.buffer = this.#room = takeRoom(buffer, input.pos, next)
    input.advance(next)
    return true
  }

  /** Nobody reads the head any more. */
  release(): void {
    this.head.release()
    if (this.#room !== undefined) freeRoom(this.#room)
    this.#room = undefined
  }
}
