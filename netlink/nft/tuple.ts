/** Concatenations of packet fields, in the registers nft uses for them, and their lookups in sets and maps. */
import { expressions as x } from './expressions.ts'
import type { NftExpression } from './types.ts'

/** `not: true` turns a match around. */
export interface MatchOptions {
  not?: boolean | undefined
}

/** Gives the whole group one text, in nft's own words. */
export function worded(text: string, ...group: NftExpression[]): NftExpression[] {
  return group.map((expression, i) => ({ ...expression, text: i === 0 ? text : '' }))
}

/** Loads the parts of a concatenation into the registers nft uses, first the address (4 or 16 bytes). */
export function loadTuple(
  family: 4 | 6,
  parts: readonly ('saddr' | 'daddr' | 'l4proto' | 'sport' | 'dport')[],
): NftExpression[] {
  let register = 8
  return parts.map((part) => {
    // A register at the start of a 16 byte one is written by its short number.
    const name = register % 4 === 0 ? register / 4 - 1 : register
    const size = part.endsWith('addr') && family === 6 ? 16 : 4
    register += size / 4
    switch (part) {
      case 'l4proto':
        return x.meta({ key: 'l4proto', register: name })
      case 'sport':
      case 'dport':
        return x.payload({ base: 'transport', offset: part === 'sport' ? 0 : 2, length: 2, register: name })
      default: {
        const offset = family === 4 ? (part === 'saddr' ? 12 : 16) : part === 'saddr' ? 8 : 24
        return x.payload({ base: 'network', offset, length: size, register: name })
      }
    }
  })
}

/** `ip saddr @set` and other single keys or tuples looked up in a set. */
export function matchTuple(
  family: 4 | 6,
  parts: readonly ('saddr' | 'daddr' | 'l4proto' | 'sport' | 'dport')[],
  set: string,
  options: MatchOptions = {},
): NftExpression[] {
  return worded(
    `${parts.join(' . ')} ${options.not === true ? '!= ' : ''}@${set}`,
    ...loadTuple(family, parts),
    x.lookup({ set, not: options.not === true }),
  )
}

/** `ip daddr . meta l4proto . th dport vmap @map`. */
export function vmapTuple(
  family: 4 | 6,
  parts: readonly ('saddr' | 'daddr' | 'l4proto' | 'sport' | 'dport')[],
  map: string,
): NftExpression[] {
  return worded(
    `${parts.join(' . ')} vmap @${map}`,
    ...loadTuple(family, parts),
    x.lookup({ set: map, into: 0 }),
  )
}
