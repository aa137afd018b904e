import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { isObject } from '../../objects/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly key: string
  readonly expires: number
  readonly name: string
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

function signature(random: number, expires: number, key: string): string {
  return createHash('sha256').update(`{expires:${expires},random:${random},key:${key}}`).digest('hex')
}

function makeToken({ key }: Conf): string {
  const random = randomInt(1, 2 ** 31)
  const expires = Math.floor(Date.now() / 1000)
  return Buffer.from(JSON.stringify({ random, expires, sign: signature(random, expires, key) })).toString(
    'base64',
  )
}

/** True if we made the token and it has not expired; the stamp in it is the time it was made. */
function tokenHolds(token: string, own: Conf): boolean {
  try {
    const content: unknown = JSON.parse(Buffer.from(token, 'base64').toString('utf8'))
    if (!isObject(content)) return false
    const { random, expires, sign } = content
    if (typeof random !== 'number' || typeof expires !== 'number' || typeof sign !== 'string') return false
    if (own.expires > 0 && Date.now() / 1000 > expires + own.expires) return false
    const [given, expected] = [Buffer.from(sign), Buffer.from(signature(random, expires, own.key))]
    return given.length === expected.length && timingSafeEqual(given, expected)
  } catch {
    return false
  }
}

/** Double-submit cookie: a changing request must repeat in a header the token its cookie carries. */
export const csrf: Plugin = {
  name: 'csrf',
  priority: 2980,
  encryptFields: ['key'],
  schema: {
    type: 'object',
    properties: {
      key: { type: 'string', minLength: 1 },
      expires: { type: 'integer', default: 7200 },
      name: { type: 'string', default: 'apisix-csrf-token' },
    },
    required: ['key'],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const refuse = (error_msg: string): PluginAnswer => ({ status: 401, body: { error_msg } })
    return {
      access(context) {
        if (SAFE.has(context.method)) return undefined
        const header = context.exchange.headers.get(own.name)
        if (header === undefined || header === '') return refuse('no csrf token in headers')
        const cookie = context.variables(`cookie_${own.name}`)
        if (cookie === undefined) return refuse('no csrf cookie')
        if (cookie !== header) return refuse('csrf token mismatch')
        return tokenHolds(header, own) ? undefined : refuse('Failed to verify the csrf token signature')
      },
      headerFilter(_context, response) {
        const until = new Date(Date.now() + own.expires * 1000).toUTCString()
        response.headers.add(
          'Set-Cookie',
          `${own.name}=${makeToken(own)};path=/;SameSite=Lax;Expires=${until}`,
        )
      },
    }
  },
}
