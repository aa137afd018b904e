import { magic } from './envelope.ts'
import { type Message, readMessage } from './message.ts'
import { listMeta } from './meta-messages.ts'
import { ProtobufReader, WireError } from './protobuf-reader.ts'
import { type ReceivedObject, readObject } from './received.ts'

/** What stands in the metadata of a list. */
export interface ListPage {
  readonly resourceVersion: string
  /** '' on the last page */
  readonly continue: string
}

/** Takes a list apart while it arrives, so that its body is never held as a whole. */
export interface ListReader {
  push(chunk: Buffer): void
  /** After the last chunk. Throws WireError if the list was cut off. */
  finish(): ListPage
}

export type OnItem = (item: ReceivedObject) => void

/** A list as JSON: read at the end, because it cannot be parsed in parts. */
export class JsonListReader implements ListReader {
  readonly #chunks: Buffer[] = []
  readonly #onItem: OnItem

  constructor(onItem: OnItem) {
    this.#onItem = onItem
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  finish(): ListPage {
    let list: unknown
    try {
      list = JSON.parse(Buffer.concat(this.#chunks).toString('utf8'))
    } catch (cause) {
      throw new WireError(`a list is no JSON: ${cause instanceof Error ? cause.message : cause}`)
    }
    const { apiVersion, kind, metadata, items } = (list ?? {}) as Record<string, unknown>
    // A field selector that matches nothing may give null.
    if (items !== null && items !== undefined && !Array.isArray(items))
      throw new WireError('a list has no items')
    const itemKind = typeof kind === 'string' ? kind.replace(/List$/, '') : ''
    for (const item of items ?? []) this.#onItem({ apiVersion, kind: itemKind, ...item })
    return pageOf(metadata)
  }
}

function pageOf(metadata: unknown): ListPage {
  const { resourceVersion, continue: next } = (metadata ?? {}) as Record<string, unknown>
  return {
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    continue: typeof next === 'string' ? next : '',
  }
}

/** A list as protobuf: an envelope whose `raw` (2) is a message of metadata (1) and items (2). */
export class ProtobufListReader implements ListReader {
  readonly #message: Message
  readonly #type: { readonly apiVersion: string; readonly kind: string }
  readonly #onItem: OnItem
  #rest: Buffer = Buffer.alloc(0)
  #begun = false
  /** bytes of the list still to come; undefined until the envelope is read that far */
  #remaining: number | undefined
  #page: ListPage = { resourceVersion: '', continue: '' }

  constructor(
    message: Message,
    type: { readonly apiVersion: string; readonly kind: string },
    onItem: OnItem,
  ) {
    this.#message = message
    this.#type = type
    this.#onItem = onItem
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let position = 0
    for (;;) {
      const next = this.#step(bytes, position)
      if (next === undefined) break
      position = next
    }
    this.#rest = bytes.subarray(position)
  }

  finish(): ListPage {
    if (this.#remaining !== 0 || this.#rest.length > 0) throw new WireError('a list is cut off')
    return this.#page
  }

  /** Reads one field from `position`; undefined if it is not there as a whole yet. */
  #step(bytes: Buffer, position: number): number | undefined {
    if (!this.#begun) {
      if (bytes.length - position < magic.length) return undefined
      if (magic.compare(bytes, position, position + magic.length) !== 0) {
        throw new WireError('a list does not begin with the mark of Kubernetes protobuf')
      }
      this.#begun = true
      return position + magic.length
    }
    const header = fieldHeader(bytes, position)
    if (header === undefined) return undefined
    const { tag, start, length } = header
    if (tag === 0x12 && this.#remaining === undefined) {
      this.#remaining = length
      return start
    }
    const end = start + length
    if (end > bytes.length) return undefined
    if (this.#remaining === undefined || this.#remaining === 0) return end
    this.#remaining -= end - position
    if (this.#remaining < 0) throw new WireError('an item reaches over the end of its list')
    const reader = new ProtobufReader(bytes, start, end)
    if (tag === 0x0a) this.#page = pageOf(readMessage(listMeta, reader))
    else if (tag === 0x12) this.#onItem(readObject(reader, this.#message, this.#type))
    return end
  }
}

/** Tag and length of a length-delimited field; undefined if they are not complete. */
function fieldHeader(
  bytes: Buffer,
  position: number,
): { tag: number; start: number; length: number } | undefined {
  let start = position
  const varint = (): number | undefined => {
    let value = 0
    for (let scale = 1; start < bytes.length; scale *= 128) {
      const byte = bytes[start++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      if (scale > 2 ** 35) throw new WireError('a length is too large')
    }
    return undefined
  }
  const tag = varint()
  if (tag === undefined) return undefined
  if ((tag & 7) !== 2) throw new WireError(`a list has a field of wire type ${tag & 7}`)
  const length = varint()
  return length === undefined ? undefined : { tag, start, length }
}
