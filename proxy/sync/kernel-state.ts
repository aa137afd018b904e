import type { NftChain, NftSocket } from '#netlink'
import type { Family } from '../model/bytes.ts'
import { type Elements, SET_SHAPES, type SetShape } from '../model/sets.ts'
import type { BaseChain, Ruleset } from '../rules/ruleset.ts'
import { setSpec } from '../rules/set-spec.ts'
import type { TableRef } from './batch.ts'
import { dataOf } from './element-codec.ts'

/** What the syncer asks of the kernel; a test may put something between. */
export type TableSocket = Pick<
  NftSocket,
  'commit' | 'tables' | 'chains' | 'sets' | 'packedElements' | 'generation' | 'close'
>

/** Our table as a dump shows it. */
export interface KernelState {
  readonly exists: boolean
  /** false: a set or base chain has another shape (another version made it), the table must be made anew */
  readonly compatible: boolean
  readonly chains: ReadonlyMap<string, NftChain>
  readonly sets: ReadonlySet<string>
  readonly elements: Elements
}

export function readKernelState(socket: TableSocket, table: TableRef, ruleset: Ruleset): KernelState {
  const exists = socket.tables().some(({ family, name }) => family === table.family && name === table.table)
  if (!exists) return { exists, compatible: true, chains: new Map(), sets: new Set(), elements: new Map() }
  const chains = new Map(socket.chains(table.family, table.table).map((chain) => [chain.name, chain]))
  const sets = socket.sets(table.family, table.table)
  const present = new Map(sets.map((set) => [set.name, set]))
  const elements: Elements = new Map()
  let compatible = ruleset.baseChains.every((base) => hasHook(chains.get(base.name), base))
  for (const shape of SET_SHAPES) {
    const set = present.get(shape.name)
    if (set === undefined) continue
    if (!sameShape(set, shape, ruleset.family)) {
      compatible = false
    } else if (!shape.dynamic) {
      const before = elements.size
      socket.packedElements(table.family, table.table, shape.name, (element) => {
        elements.set(shape.code + element.key, dataOf(shape, element))
        return elements.size - before
      })
    }
  }
  return { exists, compatible, chains, sets: new Set(present.keys()), elements }
}

function hasHook(chain: NftChain | undefined, base: BaseChain): boolean {
  if (chain === undefined) return true
  const { hook } = chain
  return hook?.name === base.hook.name && hook.priority === base.hook.priority && hook.type === base.hook.type
}

function sameShape(set: ReturnType<TableSocket['sets']>[number], shape: SetShape, family: Family): boolean {
  const spec = setSpec(shape, family)
  const flags = spec.flags ?? []
  return (
    String(set.key) === String(spec.key) &&
    String(set.data) === String(spec.data) &&
    (['interval', 'timeout', 'dynamic'] as const).every(
      (flag) => set.flags.includes(flag) === flags.includes(flag),
    ) &&
    set.size === spec.size
  )
}
