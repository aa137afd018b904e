import type { MessageWriter } from '../codec/writer.ts'
import { NetlinkValueError } from '../errors.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST } from '../socket.ts'
import * as c from './constants.ts'
import { writeElement, writeRange } from './encode-element.ts'
import { flatten } from './text.ts'
import type { NftOperation, NftTransaction } from './transaction.ts'
import type { NftChainSpec, NftFamily, NftRuleSpec, NftSetRef, NftSetSpec } from './types.ts'
import { commentUserdata, setUserdata } from './userdata.ts'

/** One message of a batch: where it lies in the buffer, and what it was for. */
export interface SentMessage {
  readonly seq: number
  readonly start: number
  end: number
  readonly operation: NftOperation
  /** Elements only: index of the first one in this message. */
  readonly firstElement: number
  /** Elements only: ranges are written as pairs. */
  readonly pairs: boolean
}

/** An attribute holds less than 64 KiB; an element needs at most about a kilobyte. */
const ELEMENTS_LIMIT = 62_000

/**
 * Is a set one of plain ranges, kept as pairs of elements, or of concatenations with NFTA_SET_ELEM_KEY_END? Asked
 * once per change that has elements with `keyEnd`.
 */
export type RangeForm = (set: NftSetRef) => 'pair' | 'key-end'

export interface BatchOptions {
  nextSeq(): number
  rangeForm: RangeForm
  /** Commit only if the ruleset still has this generation. */
  generation?: number | undefined
}

/** Writes a transaction as one batch and returns its messages. */
export function writeBatch(writer: MessageWriter, tx: NftTransaction, options: BatchOptions): SentMessage[] {
  return new BatchWriter(writer, options).write(tx)
}

/** What goes before every attribute: nfgenmsg. */
export function writeNfgenmsg(writer: MessageWriter, family: number, resource = 0): void {
  writer.u8(family)
  writer.u8(0)
  writer.u16(((resource & 0xff) << 8) | (resource >>> 8))
}

class BatchWriter {
  readonly #writer: MessageWriter
  readonly #options: BatchOptions
  readonly #messages: SentMessage[] = []
  /** Sets that the transaction itself declares. */
  readonly #declared = new Map<string, NftSetSpec>()

  constructor(writer: MessageWriter, options: BatchOptions) {
    this.#writer = writer
    this.#options = options
  }

  write(tx: NftTransaction): SentMessage[] {
    this.#bracket(c.NFNL_MSG_BATCH_BEGIN)
    for (const operation of tx.operations) this.#operation(operation)
    this.#bracket(c.NFNL_MSG_BATCH_END)
    return this.#messages
  }

  #bracket(type: number): void {
    const w = this.#writer
    w.begin(type, NLM_F_REQUEST, this.#options.nextSeq())
    writeNfgenmsg(w, 0, c.NFNL_SUBSYS_NFTABLES)
    const { generation } = this.#options
    if (type === c.NFNL_MSG_BATCH_BEGIN && generation !== undefined)
      w.attrU32Be(c.NFNL_BATCH_GENID, generation)
    w.end()
  }

  #begin(operation: NftOperation, elements = { first: 0, pairs: false }): void {
    const { object, verb } = operation
    const numbers = c.MESSAGES[object]
    const number = verb === 'flush' ? numbers.delete : numbers[verb]
    const seq = this.#options.nextSeq()
    const create = verb === 'add' ? NLM_F_CREATE : 0
    const prepend = object === 'rule' && verb === 'add' && operation.spec.position === 'prepend'
    const append = object === 'rule' && verb === 'add' && !prepend ? NLM_F_APPEND : 0
    const type = (c.NFNL_SUBSYS_NFTABLES << 8) | number
    const start = this.#writer.begin(type, NLM_F_REQUEST | create | append, seq)
    writeNfgenmsg(this.#writer, c.FAMILIES[operation.spec.family])
    this.#messages.push({
      seq,
      start,
      end: start,
      operation,
      firstElement: elements.first,
      pairs: elements.pairs,
    })
  }

  #end(): void {
    this.#writer.end()
    const message = this.#messages.at(-1)
    if (message !== undefined) message.end = this.#writer.length
  }

  #operation(operation: NftOperation): void {
    if (operation.object === 'elements') {
      this.#elements(operation)
      return
    }
    const w = this.#writer
    this.#begin(operation)
    switch (operation.object) {
      case 'table':
        w.attrString(1, operation.spec.name)
        // NFT_TABLE_F_OWNER
        if (operation.verb === 'add' && operation.spec.owner === true) w.attrU32Be(2, 2)
        if (operation.verb === 'add' && operation.spec.comment !== undefined) {
          w.attrBytes(6, commentUserdata(operation.spec.comment))
        }
        break
      case 'chain':
        writeChain(w, operation.spec, operation.verb)
        break
      case 'rule':
        w.attrString(1, operation.spec.table)
        if (operation.spec.chain !== undefined) w.attrString(2, operation.spec.chain)
        if (operation.verb === 'add') writeRule(w, operation.spec)
        else if (operation.verb === 'delete') w.attrU64Be(3, operation.spec.handle)
        break
      case 'set':
        if (operation.verb === 'add') {
          this.#declared.set(setKey({ ...operation.spec, set: operation.spec.name }), operation.spec)
          writeSet(w, operation.spec, this.#messages.length)
        } else {
          w.attrString(1, operation.spec.table)
          w.attrString(2, operation.spec.set)
        }
        break
    }
    this.#end()
  }

  #elements(operation: NftOperation & { object: 'elements' }): void {
    const { spec, elements, verb } = operation
    const w = this.#writer
    const add = verb === 'add'
    const ranges = elements.some((element) => element.keyEnd !== undefined)
    const pairs = ranges && this.#form(spec) === 'pair'
    let next = 0
    do {
      this.#begin(operation, { first: next, pairs })
      w.attrString(1, spec.table)
      w.attrString(2, spec.set)
      if (elements.length > 0) {
        const list = w.nest(3)
        while (next < elements.length && w.length - list < ELEMENTS_LIMIT) {
          const element = elements[next]
          next += 1
          if (element === undefined) continue
          if (pairs) writeRange(w, element, { add })
          else writeElement(w, element, { add })
        }
        w.endNest(list)
      }
      this.#end()
    } while (next < elements.length)
  }

  #form(set: NftSetRef): 'pair' | 'key-end' {
    const declared = this.#declared.get(setKey(set))
    if (declared === undefined) return this.#options.rangeForm(set)
    return declared.key.length === 1 ? 'pair' : 'key-end'
  }
}

const setKey = (set: NftSetRef): string => `${set.family} ${set.table} ${set.set}`

function hookOf(family: NftFamily, hook: NonNullable<NftChainSpec['hook']>): number {
  const number = c.hookNumber(family, hook.name)
  if (number === undefined) throw new NetlinkValueError('hook', `family ${family} has no hook '${hook.name}'`)
  return number
}

function writeChain(w: MessageWriter, spec: NftChainSpec, verb: string): void {
  w.attrString(1, spec.table)
  w.attrString(3, spec.name)
  if (verb !== 'add') return
  if (spec.hook !== undefined) {
    const hook = w.nest(4)
    w.attrU32Be(1, hookOf(spec.family, spec.hook))
    w.attrU32Be(2, spec.hook.priority)
    if (spec.hook.device !== undefined) w.attrString(3, spec.hook.device)
    w.endNest(hook)
    w.attrU32Be(5, spec.policy === 'drop' ? 0 : 1)
    w.attrString(7, spec.hook.type)
  }
  if (spec.comment !== undefined) w.attrBytes(12, commentUserdata(spec.comment))
}

function writeRule(w: MessageWriter, spec: NftRuleSpec): void {
  const list = w.nest(4)
  for (const expression of flatten(spec.expressions)) {
    const item = w.nest(1)
    w.attrString(1, expression.name)
    const data = w.nest(2)
    w.raw(expression.data)
    w.endNest(data)
    w.endNest(item)
  }
  w.endNest(list)
  if (spec.comment !== undefined) w.attrBytes(7, commentUserdata(spec.comment))
}

function writeSet(w: MessageWriter, spec: NftSetSpec, id: number): void {
  const ranges = spec.flags?.includes('interval') === true
  const concatRanges = ranges && spec.key.length > 1
  let flags = spec.data === undefined ? 0 : c.NFT_SET_MAP
  for (const flag of spec.flags ?? []) flags |= c.SET_FLAGS[flag]
  if (concatRanges) flags |= c.NFT_SET_CONCAT
  w.attrString(1, spec.table)
  w.attrString(2, spec.name)
  w.attrU32Be(3, flags)
  w.attrU32Be(4, c.typesId(spec.key))
  w.attrU32Be(5, c.typesLength(spec.key))
  const data = spec.data === 'verdict' ? undefined : spec.data
  if (spec.data === 'verdict') w.attrU32Be(6, c.NFT_DATA_VERDICT)
  else if (data !== undefined) w.attrU32Be(6, c.typesId(data))
  if (spec.data !== undefined) w.attrU32Be(7, data === undefined ? 0 : c.typesLength(data))
  if (spec.size !== undefined || concatRanges) {
    const description = w.nest(9)
    if (spec.size !== undefined) w.attrU32Be(1, spec.size)
    if (concatRanges) {
      const fields = w.nest(2)
      for (const part of spec.key) {
        const field = w.nest(1)
        w.attrU32Be(1, c.TYPES[part].size)
        w.endNest(field)
      }
      w.endNest(fields)
    }
    w.endNest(description)
  }
  // Required, to refer to the set within the batch; names do as well.
  w.attrU32Be(10, id)
  if (spec.timeoutMs !== undefined) w.attrU64Be(11, spec.timeoutMs)
  w.attrBytes(13, setUserdata({ key: spec.key, data, comment: spec.comment }))
}
