import type { Logger } from 'pino'
import { isNotFound, type NftSocket, RouteSocket } from '#netlink'
import { aliasOf, findHostLink } from '../attachment.ts'
import { elementsOf } from './elements.ts'
import { nftables } from './kernel.ts'
import { chains, type Family, tableFamily, tableName } from './names.ts'
import { publishPod } from './publish.ts'
import type { RememberedPods } from './remembered.ts'

const families: readonly Family[] = [4, 6]

/**
 * Puts rules of living pods back that somebody else has taken away (`nft flush ruleset`, a firewall's restart). To be
 * called now and then: while nobody has changed the ruleset it costs one request.
 */
export class RuleRepair {
  readonly #pods: RememberedPods
  readonly #log: Logger
  #generation: number | undefined

  constructor(pods: RememberedPods, log: Logger) {
    this.#pods = pods
    this.#log = log
  }

  /** Returns how many pods were published anew. */
  run(): number {
    const socket = nftables()
    const generation = socket.generation()
    if (generation === this.#generation) return 0
    const remembered = this.#pods.all()
    const lost = remembered.length > 0 && this.#isDamaged(socket, remembered)
    let repaired = 0
    if (lost) {
      using host = new RouteSocket()
      for (const { key, publication } of remembered) {
        if (findHostLink(host, key) === undefined) continue
        try {
          publishPod(key, publication, { afresh: true })
          repaired += 1
        } catch (error) {
          this.#log.error({ err: error, object: `attachment ${aliasOf(key)}` }, 'rules could not be restored')
        }
      }
      if (repaired > 0) {
        const object = `nftables ${tableName}`
        this.#log.warn({ object, pods: repaired }, 'rules had been removed by somebody else; restored')
      }
    }
    this.#generation = socket.generation()
    return repaired
  }

  /** Each set must have the elements of all pods together, and each chain of hooks its rules. */
  #isDamaged(socket: NftSocket, remembered: ReturnType<RememberedPods['all']>): boolean {
    for (const family of families) {
      const wanted = new Map<string, Set<string>>()
      for (const { key, publication } of remembered) {
        for (const { set, elements } of elementsOf(key, publication, family)) {
          const keys = wanted.get(set) ?? new Set()
          for (const element of elements) keys.add(Buffer.from(element.key).toString('hex'))
          wanted.set(set, keys)
        }
      }
      if ([...wanted.values()].every(({ size }) => size === 0)) continue
      const ask = <T>(body: () => readonly T[]): readonly T[] => {
        try {
          return body()
        } catch (error) {
          if (isNotFound(error)) return []
          throw error
        }
      }
      for (const [set, keys] of wanted) {
        if (keys.size === 0) continue
        const present = ask(() => socket.elements(tableFamily(family), tableName, set))
        const found = new Set(present.map((element) => Buffer.from(element.key).toString('hex')))
        if ([...keys].some((key) => !found.has(key))) return true
      }
      const hooks = [chains.prerouting, chains.output, chains.postrouting, chains.hostports]
      if (hooks.some((chain) => ask(() => socket.rules(tableFamily(family), tableName, chain)).length === 0))
        return true
    }
    return false
  }
}
