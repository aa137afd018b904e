import { crc32 } from 'node:zlib'
import type { Server } from './nodes.ts'

const POINTS_PER_SHARE = 160

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}

/** The CRC-32 of a server's name (colons as NUL) and of the point before it, little-endian, one after the other. */
function* pointsOf(server: Server, count: number): Iterable<number> {
  const start = crc32(server.name.replaceAll(':', '\0'))
  const before = Buffer.alloc(4)
  for (let made = 0; made < count; made++) {
    const hash = crc32(before, start)
    yield hash
    before.writeUInt32LE(hash)
  }
}

/**
 * Consistent hashing: 160 points per share of weight on a ring of CRC-32 values. The points are those of lua-resty-chash
 * under APISIX's names for servers, so that a key has the same server in both.
 */
export class HashRing {
  readonly #points: { readonly hash: number; readonly server: Server }[] = []

  constructor(servers: readonly Server[]) {
    const weighted = servers.filter((server) => server.weight > 0)
    const divisor = weighted.reduce((share, server) => greatestDivisor(server.weight, share), 0) || 1
    for (const server of weighted) {
      const points = (POINTS_PER_SHARE * server.weight) / divisor
      for (const hash of pointsOf(server, points)) this.#points.push({ hash, server })
    }
    this.#points.sort((a, b) => a.hash - b.hash)
  }

  /** The server of a key; ones that are out are passed over in place, so other keys keep theirs. */
  pick(key: string, out: ((server: Server) => boolean) | undefined): Server | undefined {
    const points = this.#points
    const wanted = crc32(key)
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((points[middle]?.hash ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    for (let step = 0; step < points.length; step++) {
      const server = points[(low + step) % points.length]?.server
      if (server !== undefined && out?.(server) !== true) return server
    }
    return undefined
  }
}
