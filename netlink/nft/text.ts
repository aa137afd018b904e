import { formatAddress, formatMac } from '../address.ts'
import { TYPES, typesLength } from './constants.ts'
import { PROTOCOLS } from './pack.ts'
import type { NftOperation } from './transaction.ts'
import type {
  NftElement,
  NftExpression,
  NftRuleSpec,
  NftSetRef,
  NftSetSpec,
  NftType,
  NftVerdict,
} from './types.ts'

const MAX_ELEMENTS = 20

/**
 * One change in nft's words, for errors, logs and tests. `sets` remembers the sets declared so far: elements of sets
 * that are not in it are shown in hexadecimal.
 */
export function describeOperation(
  operation: NftOperation,
  sets: Map<string, NftSetSpec> = new Map(),
): string {
  switch (operation.object) {
    case 'table': {
      const { family, name, comment, owner } = operation.spec
      const lines =
        operation.verb === 'add' ? [owner === true ? 'flags owner;' : undefined, commentLine(comment)] : []
      return `${operation.verb} table ${family} ${name}${block(lines)}`
    }
    case 'chain': {
      const { family, table, name, hook, policy, comment } = operation.spec
      const head = `${operation.verb} chain ${family} ${table} ${name}`
      if (operation.verb !== 'add') return head
      const device = hook?.device === undefined ? '' : ` device "${hook.device}"`
      return `${head}${block([
        hook && `type ${hook.type} hook ${hook.name}${device} priority ${hook.priority};`,
        policy && `policy ${policy};`,
        commentLine(comment),
      ])}`
    }
    case 'rule':
      return describeRule(operation)
    case 'set':
      if (operation.verb === 'add')
        sets.set(setKey({ ...operation.spec, set: operation.spec.name }), operation.spec)
      return describeSet(operation)
    case 'elements': {
      const { family, table, set } = operation.spec
      if (operation.verb === 'flush') return `flush set ${family} ${table} ${set}`
      const spec = sets.get(setKey(operation.spec))
      const shown = operation.elements.slice(0, MAX_ELEMENTS).map((element) => describeElement(element, spec))
      const more = operation.elements.length - shown.length
      if (more > 0) shown.push(`... ${more} more`)
      return `${operation.verb} element ${family} ${table} ${set} { ${shown.join(', ')} }`
    }
  }
}

const block = (lines: readonly (string | undefined)[]): string => {
  const present = lines.filter((line) => line !== undefined)
  return present.length === 0 ? '' : ` { ${present.join(' ')} }`
}

const commentLine = (comment: string | undefined): string | undefined =>
  comment === undefined ? undefined : `comment ${JSON.stringify(comment)};`

const setKey = (set: NftSetRef): string => `${set.family} ${set.table} ${set.set}`

function describeRule(operation: NftOperation & { object: 'rule' }): string {
  if (operation.verb === 'flush') {
    const { family, table, chain } = operation.spec
    return chain === undefined ? `flush table ${family} ${table}` : `flush chain ${family} ${table} ${chain}`
  }
  const { family, table, chain } = operation.spec
  if (operation.verb === 'delete')
    return `delete rule ${family} ${table} ${chain} handle ${operation.spec.handle}`
  const { position, comment } = operation.spec
  const text = flatten(operation.spec.expressions)
    .map((expression) => expression.text)
    .filter((part) => part !== '')
  if (comment !== undefined) text.push(`comment ${JSON.stringify(comment)}`)
  return `${position === 'prepend' ? 'insert' : 'add'} rule ${family} ${table} ${chain} ${text.join(' ')}`
}

/** The expressions of a rule in one list. */
export function flatten(expressions: NftRuleSpec['expressions']): NftExpression[] {
  return (expressions as readonly (NftExpression | NftExpression[])[]).flat()
}

function describeSet(operation: NftOperation & { object: 'set' }): string {
  if (operation.verb !== 'add') {
    const { family, table, set } = operation.spec
    return `${operation.verb} set ${family} ${table} ${set}`
  }
  const { family, table, name, key, data, flags, timeoutMs, size, comment } = operation.spec
  const mapped = data === undefined ? '' : ` : ${data === 'verdict' ? 'verdict' : data.join(' . ')}`
  return `add ${data === undefined ? 'set' : 'map'} ${family} ${table} ${name}${block([
    `type ${key.join(' . ')}${mapped};`,
    flags !== undefined && flags.length > 0 ? `flags ${flags.join(',')};` : undefined,
    timeoutMs === undefined ? undefined : `timeout ${timeoutMs}ms;`,
    size === undefined ? undefined : `size ${size};`,
    commentLine(comment),
  ])}`
}

/** An element in nft's words; in hexadecimal where the types are not known. */
export function describeElement(element: NftElement, set?: NftSetSpec): string {
  let text = values(element.key, set?.key)
  if (element.keyEnd !== undefined) text += `-${values(element.keyEnd, set?.key)}`
  if (element.timeoutMs !== undefined) text += ` timeout ${element.timeoutMs}ms`
  if (element.comment !== undefined) text += ` comment ${JSON.stringify(element.comment)}`
  const { data } = element
  if (data === undefined) return text
  const types = set?.data === 'verdict' ? undefined : set?.data
  return `${text} : ${data instanceof Uint8Array ? values(data, types) : verdict(data)}`
}

const verdict = (data: NftVerdict): string =>
  'chain' in data ? `${data.verdict} ${data.chain}` : data.verdict

function values(bytes: Uint8Array, types: readonly NftType[] | undefined): string {
  if (types === undefined || bytes.length !== typesLength(types))
    return `0x${Buffer.from(bytes).toString('hex')}`
  let at = 0
  return types
    .map((type) => {
      const { size } = TYPES[type]
      const text = value(bytes.subarray(at, at + size), type)
      at += (size + 3) & ~3
      return text
    })
    .join(' . ')
}

function value(bytes: Uint8Array, type: NftType): string {
  const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  switch (type) {
    case 'ipv4_addr':
    case 'ipv6_addr':
      return formatAddress(bytes)
    case 'ether_addr':
      return formatMac(bytes)
    case 'inet_proto':
      return Object.entries(PROTOCOLS).find(([, id]) => id === number)?.[0] ?? `${number}`
    case 'inet_service':
      return `${number}`
    case 'ifname':
      return `"${Buffer.from(bytes).toString().replace(/\0.*$/s, '')}"`
    default:
      return `${new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)}`
  }
}
