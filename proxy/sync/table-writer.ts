import type { NftTransaction } from '#netlink'
import { SET_SHAPES } from '../model/sets.ts'
import type { Ruleset } from '../rules/ruleset.ts'
import { setSpec } from '../rules/set-spec.ts'
import type { TableRef } from './batch.ts'
import type { KernelState } from './kernel-state.ts'

export interface WriteTarget {
  readonly table: TableRef
  readonly ruleset: Ruleset
}

/**
 * Table, sets and all chains with their rules. What exists stays, rules are rewritten: they are few, and no packet sees
 * anything in between. `fresh` deletes the table first, in the same commit.
 */
export function writeTable(
  transaction: NftTransaction,
  target: WriteTarget,
  options: { kernel: KernelState; chains: ReadonlySet<string>; fresh: boolean },
): void {
  const { table, ruleset } = target
  const { kernel, chains, fresh } = options
  const name = { family: table.family, name: table.table }
  if (fresh && kernel.exists) transaction.deleteTable(name)
  transaction.addTable({ ...name, comment: 'Service rules of Plexus' })
  for (const shape of SET_SHAPES) {
    if (fresh || !kernel.sets.has(shape.name))
      transaction.addSet({ ...table, ...setSpec(shape, ruleset.family) })
  }
  for (const { name: chain, hook } of ruleset.baseChains) {
    transaction.addChain({ ...table, name: chain, hook, policy: 'accept' })
  }
  writeChains(transaction, target, [...ruleset.fixedChains.keys(), ...chains])
}

/** Creates or rewrites chains: all of them exist before the first rule, for rules lead from one to another. */
export function writeChains(transaction: NftTransaction, target: WriteTarget, names: Iterable<string>): void {
  const { table, ruleset } = target
  for (const name of names) {
    if (!ruleset.isBaseChain(name)) transaction.addChain({ ...table, name })
  }
  for (const chain of names) {
    transaction.flushChain({ ...table, name: chain })
    for (const expressions of ruleset.rulesOf(chain)) transaction.addRule({ ...table, chain, expressions })
  }
}

/** Chains and sets in our table that are none of ours, and shared chains out of use. */
export function removeStrangers(
  transaction: NftTransaction,
  { table, ruleset }: WriteTarget,
  { kernel, chains }: { kernel: KernelState; chains: ReadonlySet<string> },
): void {
  const isOurs = (name: string): boolean => ruleset.fixedChains.has(name) || chains.has(name)
  deleteChains(
    transaction,
    table,
    [...kernel.chains.keys()].filter((name) => !isOurs(name)),
  )
  const shapes = new Set<string>(SET_SHAPES.map(({ name }) => name))
  for (const set of kernel.sets) if (!shapes.has(set)) transaction.deleteSet({ ...table, set })
}

/** Deletes chains that may lead to one another. */
export function deleteChains(transaction: NftTransaction, table: TableRef, names: Iterable<string>): void {
  for (const name of names) transaction.flushChain({ ...table, name })
  for (const name of names) transaction.deleteChain({ ...table, name })
}
