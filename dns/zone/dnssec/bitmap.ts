/** Type bitmaps of NSEC (RFC 4034 §4.1.2). */
export function typeBitmap(types: Iterable<number>): Buffer {
  const windows = new Map<number, Buffer>()
  for (const type of [...new Set(types)].sort((a, b) => a - b)) {
    const bits = windows.get(type >> 8) ?? Buffer.alloc(32)
    const low = type & 255
    bits[low >> 3] = (bits[low >> 3] ?? 0) | (0x80 >> (low & 7))
    windows.set(type >> 8, bits)
  }
  return Buffer.concat(
    [...windows].map(([window, bits]) => {
      const length = bits.findLastIndex((octet) => octet !== 0) + 1
      return Buffer.concat([Buffer.from([window, length]), bits.subarray(0, length)])
    }),
  )
}

export function bitmapTypes(bitmap: Uint8Array): number[] {
  const types: number[] = []
  for (let at = 0; at + 2 <= bitmap.length; at += 2 + (bitmap[at + 1] ?? 0)) {
    const window = bitmap[at] ?? 0
    for (let i = 0; i < (bitmap[at + 1] ?? 0) * 8; i += 1) {
      if (((bitmap[at + 2 + (i >> 3)] ?? 0) & (0x80 >> (i & 7))) !== 0) types.push(window * 256 + i)
    }
  }
  return types
}
