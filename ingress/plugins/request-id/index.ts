import { randomBytes, randomUUID } from 'node:crypto'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly header_name: string
  readonly include_in_response: boolean
  readonly algorithm: 'uuid' | 'uuidv7' | 'nanoid' | 'range_id'
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

/** Gives every request an id, or keeps the one it came with. */
export const requestId: Plugin = {
  name: 'request-id',
  priority: 12015,
  schema: {
    type: 'object',
    properties: {
      header_name: { type: 'string', minLength: 1, default: 'X-Request-Id' },
      include_in_response: { type: 'boolean', default: true },
      algorithm: { type: 'string', enum: ['uuid', 'uuidv7', 'nanoid', 'range_id'], default: 'uuid' },
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
      if (own.algorithm === 'nanoid') return randomText(21, URL_SAFE)
      return randomText(own.range_id?.length ?? 16, own.range_id?.char_set ?? URL_SAFE.slice(2))
    }
    return {
      rewrite(context) {
        const { headers } = context.exchange
        const given = headers.get(own.header_name)
        context.requestId = given === undefined || given === '' ? make() : given
        if (context.requestId !== given) headers.set(own.header_name, context.requestId)
        return undefined
      },
      headerFilter(context, response) {
        if (!own.include_in_response || context.requestId === undefined) return
        if (!response.headers.has(own.header_name)) response.headers.set(own.header_name, context.requestId)
      },
    }
  },
}
