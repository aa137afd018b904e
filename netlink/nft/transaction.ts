import { NetlinkValueError } from '../errors.ts'
import { hookNumber, typesLength } from './constants.ts'
import { describeOperation } from './text.ts'
import type * as t from './types.ts'

export type NftVerb = 'add' | 'delete' | 'destroy'

/** One change of a transaction. `flush` of a chain deletes its rules, of a set its elements. */
export type NftOperation =
  | { object: 'table'; verb: NftVerb; spec: t.NftTableSpec; subject?: string | undefined }
  | { object: 'chain'; verb: NftVerb; spec: t.NftChainSpec; subject?: string | undefined }
  | { object: 'rule'; verb: 'add'; spec: t.NftRuleSpec; subject?: string | undefined }
  | { object: 'rule'; verb: 'delete'; spec: t.NftRuleRef; subject?: string | undefined }
  | {
      object: 'rule'
      verb: 'flush'
      spec: { family: t.NftFamily; table: string; chain?: string | undefined }
      subject?: string | undefined
    }
  | { object: 'set'; verb: 'add'; spec: t.NftSetSpec; subject?: string | undefined }
  | { object: 'set'; verb: 'delete' | 'destroy'; spec: t.NftSetRef; subject?: string | undefined }
  | {
      object: 'elements'
      verb: NftVerb | 'flush'
      spec: t.NftSetRef
      elements: readonly t.NftElement[]
      subject?: string | undefined
    }

/** The kernel keeps names in NFT_NAME_MAXLEN = 256 bytes including the NUL. */
const MAX_NAME = 255

/**
 * Collects changes; `NftSocket.commit` sends them as one atomic batch. Mistakes that need no kernel to find are
 * remembered (the first one) and thrown by `commit`, so that callers need not check every call. `String(tx)` prints
 * the changes the way `nft -f` would read them, as far as nft has words for them.
 *
 * @example
 *   const tx = new NftTransaction()
 *   tx.addTable({ family: 'ip', name: 'demo' })
 *   tx.addChain({ family: 'ip', table: 'demo', name: 'out', hook: { name: 'output', priority: 0, type: 'filter' } })
 *   tx.addRule({ family: 'ip', table: 'demo', chain: 'out', expressions: [nft.matchDaddr('10.9.0.0/16'), nft.drop()] })
 *   socket.commit(tx)
 */
export class NftTransaction {
  readonly #operations: NftOperation[] = []
  #error: NetlinkValueError | undefined

  /** The changes so far, in order. */
  get operations(): readonly NftOperation[] {
    return this.#operations
  }

  get empty(): boolean {
    return this.#operations.length === 0
  }

  /** The first mistake. */
  get error(): NetlinkValueError | undefined {
    return this.#error
  }

  /** Creates the table unless it exists. */
  addTable(spec: t.NftTableSpec): void {
    this.#name('table', spec.name)
    this.#operations.push({ object: 'table', verb: 'add', spec })
  }

  /** Deletes the table with all in it; ENOENT if there is none. */
  deleteTable(spec: t.NftTableRef): void {
    this.#operations.push({ object: 'table', verb: 'delete', spec })
  }

  /** Deletes the table with all in it, if there is one. */
  destroyTable(spec: t.NftTableRef): void {
    this.#operations.push({ object: 'table', verb: 'destroy', spec })
  }

  /** Deletes all rules of all chains of the table. */
  flushTable(spec: t.NftTableRef): void {
    this.#operations.push({ object: 'rule', verb: 'flush', spec: { family: spec.family, table: spec.name } })
  }

  /** Creates the chain unless it exists; a base chain if `hook` is given. */
  addChain(spec: t.NftChainSpec): void {
    this.#name('chain', spec.name)
    if (spec.hook !== undefined && hookNumber(spec.family, spec.hook.name) === undefined) {
      this.#fail('hook', `family ${spec.family} has no hook '${spec.hook.name}' (chain ${spec.name})`)
    }
    if (spec.hook === undefined && spec.policy !== undefined) {
      this.#fail('policy', `chain ${spec.name} has no hook: only base chains have a policy`)
    }
    this.#operations.push({ object: 'chain', verb: 'add', spec, subject: spec.subject })
  }

  /** Deletes the rules of a chain. */
  flushChain(spec: t.NftChainRef): void {
    const { family, table, name } = spec
    this.#operations.push({ object: 'rule', verb: 'flush', spec: { family, table, chain: name } })
  }

  /** Deletes an empty chain nothing refers to; EBUSY otherwise. */
  deleteChain(spec: t.NftChainRef): void {
    this.#operations.push({ object: 'chain', verb: 'delete', spec })
  }

  /** Like deleteChain, without complaint if there is none. */
  destroyChain(spec: t.NftChainRef): void {
    this.#operations.push({ object: 'chain', verb: 'destroy', spec })
  }

  /** Appends (or prepends) a rule. */
  addRule(spec: t.NftRuleSpec): void {
    this.#operations.push({ object: 'rule', verb: 'add', spec, subject: spec.subject })
  }

  /** Deletes the rule with that handle. */
  deleteRule(spec: t.NftRuleRef): void {
    this.#operations.push({ object: 'rule', verb: 'delete', spec })
  }

  /** Creates the set (a map if `data` is given) unless it exists. */
  addSet(spec: t.NftSetSpec): void {
    this.#name('set', spec.name)
    if (spec.key.length === 0 || spec.key.length > 5)
      this.#fail('key', `set ${spec.name} needs 1 to 5 key parts`)
    else if (typesLength(spec.key) > 64)
      this.#fail('key', `the key of set ${spec.name} has more than 64 bytes`)
    this.#operations.push({ object: 'set', verb: 'add', spec, subject: spec.subject })
  }

  deleteSet(spec: t.NftSetRef): void {
    this.#operations.push({ object: 'set', verb: 'delete', spec })
  }

  /** Like deleteSet, without complaint if there is none. */
  destroySet(spec: t.NftSetRef): void {
    this.#operations.push({ object: 'set', verb: 'destroy', spec })
  }

  /** Deletes all elements. */
  flushSet(spec: t.NftSetRef): void {
    this.#operations.push({ object: 'elements', verb: 'flush', spec, elements: [] })
  }

  /** Adds elements; EEXIST if a key is there with other data (same data is no error). The array must not change before the commit. */
  addElements(set: t.NftSetRef, elements: readonly t.NftElement[], subject?: string): void {
    this.#elements('add', set, elements, subject)
  }

  /** Deletes elements by key; ENOENT if one is missing. */
  deleteElements(set: t.NftSetRef, elements: readonly t.NftElement[], subject?: string): void {
    this.#elements('delete', set, elements, subject)
  }

  /** Deletes elements by key, those that are there. */
  destroyElements(set: t.NftSetRef, elements: readonly t.NftElement[], subject?: string): void {
    this.#elements('destroy', set, elements, subject)
  }

  toString(): string {
    const sets = new Map<string, t.NftSetSpec>()
    return this.#operations.map((operation) => `${describeOperation(operation, sets)}\n`).join('')
  }

  #elements(verb: NftVerb, spec: t.NftSetRef, elements: readonly t.NftElement[], subject?: string): void {
    // A message without elements would mean "all of them".
    if (elements.length === 0) return
    this.#operations.push({ object: 'elements', verb, spec, elements, subject })
  }

  #name(field: string, name: string): void {
    const length = Buffer.byteLength(name)
    if (length === 0 || length > MAX_NAME)
      this.#fail(field, `name '${name}' has ${length} bytes, 1 to ${MAX_NAME} fit`)
  }

  #fail(field: string, problem: string): void {
    this.#error ??= new NetlinkValueError(field, problem)
  }
}
