/** One of several to choose from. */
export interface Weighted {
  readonly weight: number
  /** Grows by the weight until it is chosen. */
  current: number
}

/** Smooth weighted choice, as between servers; undefined if nothing has a weight. */
export function weightedChoice<T extends Weighted>(all: readonly T[]): T | undefined {
  let best: T | undefined
  let total = 0
  for (const one of all) {
    one.current += one.weight
    total += one.weight
    if (one.weight > 0 && (best === undefined || one.current > best.current)) best = one
  }
  if (best !== undefined) best.current -= total
  return best
}
