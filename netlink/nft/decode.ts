import { type Attributes, attributesOf, type Message, readU8 } from '../codec/reader.ts'
import * as c from './constants.ts'
import type { NftBaseChain, NftChain, NftFamily, NftRule, NftSet, NftSetFlag, NftTable } from './types.ts'
import { readComment, readSetComment } from './userdata.ts'

function familyOf(message: Message): NftFamily | undefined {
  return c.familyName(readU8(message.bytes, message.body))
}

/** Decodes NFT_MSG_NEWTABLE; undefined for families we do not know. */
export function decodeTable(message: Message): NftTable | undefined {
  const a = attributesOf(message, c.NFGENMSG)
  const family = familyOf(message)
  if (family === undefined) return undefined
  return {
    family,
    name: a.string(1) ?? '',
    use: a.u32Be(3) ?? 0,
    handle: a.u64Be(4) ?? 0n,
    comment: readComment(a.bytes(6)),
  }
}

/** Decodes NFT_MSG_NEWCHAIN. */
export function decodeChain(message: Message): NftChain | undefined {
  const a = attributesOf(message, c.NFGENMSG)
  const family = familyOf(message)
  if (family === undefined) return undefined
  const policy = a.u32Be(5)
  return {
    family,
    table: a.string(1) ?? '',
    name: a.string(3) ?? '',
    handle: a.u64Be(2) ?? 0n,
    hook: decodeHook(family, a),
    policy: policy === undefined ? undefined : policy === 0 ? 'drop' : 'accept',
    use: a.u32Be(6) ?? 0,
    comment: readComment(a.bytes(12)),
  }
}

function decodeHook(family: NftFamily, chain: Attributes): NftBaseChain | undefined {
  const hook = chain.nested(4)
  const name = c.hookName(family, hook?.u32Be(1) ?? -1)
  const type = chain.string(7)
  if (hook === undefined || name === undefined) return undefined
  return {
    name,
    priority: (hook.u32Be(2) ?? 0) | 0,
    type: type === 'nat' || type === 'route' ? type : 'filter',
    ...(hook.has(3) ? { device: hook.string(3) } : {}),
  }
}

/** Decodes NFT_MSG_NEWRULE. */
export function decodeRule(message: Message): NftRule | undefined {
  const a = attributesOf(message, c.NFGENMSG)
  const family = familyOf(message)
  if (family === undefined) return undefined
  const expressions = []
  for (const item of a.nested(4)?.items() ?? []) {
    expressions.push({ name: item.string(1) ?? '', data: (item.bytes(2) ?? new Uint8Array(0)).slice() })
  }
  return {
    family,
    table: a.string(1) ?? '',
    chain: a.string(2) ?? '',
    handle: a.u64Be(3) ?? 0n,
    expressions,
    comment: readComment(a.bytes(7)),
  }
}

/** Decodes NFT_MSG_NEWSET. */
export function decodeSet(message: Message): NftSet | undefined {
  const a = attributesOf(message, c.NFGENMSG)
  const family = familyOf(message)
  if (family === undefined) return undefined
  const bits = a.u32Be(3) ?? 0
  const flags: NftSet['flags'][number][] = (Object.keys(c.SET_FLAGS) as NftSetFlag[]).filter(
    (flag) => (bits & c.SET_FLAGS[flag]) !== 0,
  )
  if ((bits & c.NFT_SET_ANONYMOUS) !== 0) flags.push('anonymous')
  if ((bits & c.NFT_SET_MAP) !== 0) flags.push('map')
  if ((bits & c.NFT_SET_CONCAT) !== 0) flags.push('concat')
  const timeout = a.u64Be(11)
  const dataType = a.u32Be(6)
  return {
    family,
    table: a.string(1) ?? '',
    name: a.string(2) ?? '',
    handle: a.u64Be(16) ?? 0n,
    key: c.typesOfId(a.u32Be(4) ?? 0),
    keyLength: a.u32Be(5) ?? 0,
    data:
      dataType === undefined || (bits & c.NFT_SET_MAP) === 0
        ? undefined
        : dataType === c.NFT_DATA_VERDICT
          ? 'verdict'
          : c.typesOfId(dataType),
    dataLength: a.u32Be(7) ?? 0,
    flags,
    timeoutMs: timeout === undefined ? undefined : Number(timeout),
    size: a.nested(9)?.u32Be(1),
    count: a.u32Be(20),
    comment: readSetComment(a.bytes(13)),
  }
}
