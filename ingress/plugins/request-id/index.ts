import { randomBytes, randomUUID } from 'node:crypto'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly header_name: string
  readonly include_in_response: boolean
  readonly algorithm: 'uuid' | 'uuidv7' | 'nanoid' | 'range_id' | 'ksuid'
  readonly range_id?: { readonly length: number; readonly char_set: string }
}

const URL_SAFE = '_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

function randomText(length: number, alphabet: string): string {
  return Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join('')
}

/** RFC 9562 §5.7: 48 bits of time in ms, then random ones. */
function uuidv7(): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** Where a ksuid's clock begins, in seconds: 13 May 2014. */
const KSUID_EPOCH = 1_400_000_000

/** K-sortable: 32 bits of time in s, then 128 random ones, as 27 digits. */
function ksuid(): string {
  const bytes = randomBytes(20)
  bytes.writeUInt32BE(Math.floor(Date.now() / 1000) - KSUID_EPOCH)
  let number = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (let digit = 0; digit < 27; digit++) {
    text = BASE62.charAt(Number(number % 62n)) + text
    number /= 62n
  }
  return text
}

/** Gives every request an id, or keeps the one it came with. */
export const requestId: Plugin = {
  name: 'request-id',
  priority: 12015,
  schema: {
    type: 'object',
    properties: {
      header_name: { type: 'string', minLength: 1, default: 'X-Request-Id' },
      include_in_response: { type: 'boolean', default: true },
      algorithm: { type: 'string', enum: ['uuid', 'nanoid', 'range_id', 'ksuid', 'uuidv7'], default: 'uuid' },
      range_id: {
        type: 'object',
        properties: {
          length: { type: 'integer', minimum: 6, default: 16 },
          char_set: { type: 'string', minLength: 6, default: URL_SAFE.slice(2) },
        },
      },
    },
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const make = () => {
      if (own.algorithm === 'uuid') return randomUUID()
      if (own.algorithm === 'uuidv7') return uuidv7()
      if (own.algorithm === 'ksuid') return ksuid()
      if (own.algorithm === 'nanoid') return randomText(21, URL_SAFE)
      return randomText(own.range_id?.length ?? 16, own.range_id?.char_set ?? URL_SAFE.slice(2))
    }
    // A global rule and a route may each have an id of their own, in fields of their own.
    const ids = new PerRequest<string>()
    return {
      rewrite(context) {
        const { headers } = context.exchange
        const given = headers.get(own.header_name)
        const id = given === undefined || given === '' ? make() : given
        if (id !== given) headers.set(own.header_name, id)
        ids.set(context, id)
        context.requestId = id
        return undefined
      },
      headerFilter(context, { headers }) {
        const id = own.include_in_response ? ids.get(context) : undefined
        if (id !== undefined && (headers.get(own.header_name) ?? '') === '') headers.set(own.header_name, id)
      },
    }
  },
}
