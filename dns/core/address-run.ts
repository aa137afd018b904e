/** Records of one address type that follow each other with equal size: their order may be changed in place. */
export interface AddressRun {
  readonly offset: number
  readonly size: number
  readonly count: number
}

const spare = Buffer.allocUnsafe(512)

/** Fisher-Yates over the records; the message begins at `base`. */
export function shuffleInPlace(out: Buffer, run: AddressRun, base = 0): void {
  const { size } = run
  const offset = base + run.offset
  if (size > spare.length) return
  for (let i = run.count - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    if (i === j) continue
    const a = offset + i * size
    const b = offset + j * size
    out.copy(spare, 0, a, a + size)
    out.copy(out, a, b, b + size)
    spare.copy(out, b, 0, size)
  }
}
