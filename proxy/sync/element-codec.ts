import type { NftElement, NftVerdict } from '#netlink'
import { fromBuffer, toBuffer } from '../model/bytes.ts'
import type { ElementData, ElementKey, SetShape } from '../model/sets.ts'

/** An element as the netlink layer wants it. */
export function encodeElement(shape: SetShape, key: ElementKey, data: ElementData): NftElement {
  const bytes = toBuffer(key.slice(1))
  if (shape.interval) return { key: bytes, keyEnd: toBuffer(data) }
  if (shape.data === 'verdict') return encodeVerdict(bytes, data)
  return shape.data === undefined ? { key: bytes } : { key: bytes, data: toBuffer(data) }
}

/** The element's key alone, for deletions. Ranges are deleted by both ends. */
export function encodeKey(shape: SetShape, key: ElementKey, data: ElementData): NftElement {
  const bytes = toBuffer(key.slice(1))
  return shape.interval ? { key: bytes, keyEnd: toBuffer(data) } : { key: bytes }
}

/** The reverse of encodeElement, for dumps. */
export function decodeElement(shape: SetShape, element: NftElement): [ElementKey, ElementData] {
  const key = shape.code + fromBuffer(element.key)
  if (shape.interval) return [key, fromBuffer(element.keyEnd ?? element.key)]
  const { data } = element
  if (data === undefined) return [key, '']
  if (data instanceof Uint8Array) return [key, fromBuffer(data)]
  return [key, `${verdictText(data)}\0${element.comment ?? ''}`]
}

function encodeVerdict(key: Uint8Array, data: ElementData): NftElement {
  const end = data.indexOf('\0')
  const text = data.slice(0, end)
  const verdict: NftVerdict = text.startsWith('goto ')
    ? { verdict: 'goto', chain: text.slice(5) }
    : { verdict: 'drop' }
  const comment = data.slice(end + 1)
  return comment === '' ? { key, data: verdict } : { key, data: verdict, comment }
}

function verdictText(data: NftVerdict): string {
  return 'chain' in data ? `${data.verdict} ${data.chain}` : data.verdict
}
