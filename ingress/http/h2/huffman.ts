import { EOS_LENGTH, HUFFMAN_LENGTHS } from './hpack-tables.ts'

const EOS = 256
const NOTHING = -1
const INVALID = -2
const PADDING_BITS = 7

/** The code as a tree: a branch is its number, a leaf the complement of its byte. */
function codeTree(): number[][] {
  const lengths = [...HUFFMAN_LENGTHS, EOS_LENGTH]
  const bytes = lengths.map((_, byte) => byte)
  bytes.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b)
  const tree: number[][] = [[]]
  let code = 0
  let bits = 0
  for (const byte of bytes) {
    const length = lengths[byte] as number
    code <<= length - bits
    bits = length
    let at = 0
    for (let bit = length - 1; bit > 0; bit--) {
      const branch = tree[at] as number[]
      const side = (code >> bit) & 1
      if (branch[side] === undefined) branch[side] = tree.push([]) - 1
      at = branch[side]
    }
    ;(tree[at] as number[])[code & 1] = ~byte
    code++
  }
  return tree
}

const tree = codeTree()
/** For a state and the next four bits: the state after them, and the byte they completed. No code is shorter than five. */
const NEXT = new Int16Array(tree.length * 16)
const BYTE = new Int16Array(tree.length * 16).fill(NOTHING)
for (let state = 0; state < tree.length; state++) {
  for (let four = 0; four < 16; four++) {
    const slot = state * 16 + four
    let at = state
    for (let bit = 3; bit >= 0; bit--) {
      at = (tree[at] as number[])[(four >> bit) & 1] as number
      if (at >= 0) continue
      BYTE[slot] = ~at === EOS ? INVALID : ~at
      at = 0
    }
    NEXT[slot] = at
  }
}
/** Where a text may end: after whole codes, or with up to seven ones, the beginning of EOS. */
const END = new Uint8Array(tree.length)
for (let bits = 0, state = 0; bits <= PADDING_BITS; bits++, state = tree[state]?.[1] as number) END[state] = 1

let scratch = Buffer.alloc(4096)

/** Decodes a Huffman-coded text (RFC 7541 §5.2) as latin-1; undefined if it is malformed. */
export function decodeHuffman(buffer: Buffer, start: number, end: number): string | undefined {
  const most = Math.ceil(((end - start) * 8) / 5)
  if (scratch.length < most) scratch = Buffer.alloc(most)
  let state = 0
  let size = 0
  for (let at = start; at < end; at++) {
    const octet = buffer[at] as number
    for (let half = 0; half < 2; half++) {
      const slot = state * 16 + (half === 0 ? octet >> 4 : octet & 15)
      const byte = BYTE[slot] as number
      if (byte >= 0) scratch[size++] = byte
      else if (byte === INVALID) return undefined
      state = NEXT[slot] as number
    }
  }
  return END[state] === 1 ? scratch.toString('latin1', 0, size) : undefined
}
