import type { ForwardOptions } from './options.ts'

/** Gives, per query, the upstreams in the order in which to try them. */
export function makePolicy<T>(policy: ForwardOptions['policy'], all: readonly T[]): () => readonly T[] {
  if (policy === 'sequential' || all.length === 1) return () => all
  let turn = -1
  if (policy === 'round_robin') {
    return () => {
      turn = (turn + 1) % all.length
      return [...all.slice(turn), ...all.slice(0, turn)]
    }
  }
  return () => {
    const order = [...all]
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1))
      const swap = order[i] as T
      order[i] = order[j] as T
      order[j] = swap
    }
    return order
  }
}
