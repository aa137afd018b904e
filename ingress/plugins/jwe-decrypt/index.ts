import { createDecipheriv } from 'node:crypto'
import { isObject, isReference, type JsonObject } from '../../objects/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly header: string
  readonly forward_header: string
  readonly strict: boolean
}

const SECRET_BYTES = 32

function secretOf(conf: JsonObject): Buffer {
  return Buffer.from(String(conf.secret), conf.is_base64_encoded === true ? 'base64url' : 'utf8')
}

/** The protected header of a compact JWE (RFC 7516 §3.1); undefined if it is none. */
function headerOf(parts: readonly string[]): JsonObject | undefined {
  if (parts.length !== 5) return undefined
  try {
    const header: unknown = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString('utf8'))
    return isObject(header) ? header : undefined
  } catch {
    return undefined
  }
}

/** What is in the token; undefined if the key is not the one it was made with, or if it was changed. */
function decrypt(
  parts: readonly string[],
  key: Buffer,
  options: { withHeader: boolean },
): string | undefined {
  const [header = '', , iv = '', content = '', tag = ''] = parts
  try {
    const bytes = (text: string) => Buffer.from(text, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes(iv), { authTagLength: 16 })
    decipher.setAuthTag(bytes(tag))
    if (options.withHeader) decipher.setAAD(Buffer.from(header, 'ascii'))
    return Buffer.concat([decipher.update(bytes(content)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

/** Decrypts a token of the client and gives the server what is in it. */
export const jweDecrypt: Plugin = {
  name: 'jwe-decrypt',
  priority: 2509,
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'Authorization' },
      forward_header: { type: 'string', default: 'Authorization' },
      strict: { type: 'boolean', default: true },
    },
    required: ['header', 'forward_header'],
  },
  consumerSchema: {
    type: 'object',
    properties: {
      key: { type: 'string' },
      secret: { type: 'string' },
      is_base64_encoded: { type: 'boolean' },
    },
    required: ['key', 'secret'],
  },
  consumerEncryptFields: ['key', 'secret'],
  consumerKey: (conf) => String(conf.key),
  consumerCheck(conf) {
    if (isReference(conf.secret) || secretOf(conf).length === SECRET_BYTES) return undefined
    return conf.is_base64_encoded === true
      ? 'the secret length after base64 decode should be 32 chars'
      : 'the secret length should be 32 chars'
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const refuse = (message: string): PluginAnswer => ({ status: 400, body: { message } })
    return {
      rewrite(context) {
        const { headers } = context.exchange
        const sent = headers.get(own.header)
        if (sent === undefined) {
          if (own.strict) return { status: 403, body: { message: 'missing JWE token in request' } }
          headers.remove(own.forward_header)
          return undefined
        }
        const parts = sent.replace(/^bearer /i, '').split('.')
        const header = headerOf(parts)
        if (header === undefined) return refuse('JWE token invalid')
        if (header.kid === undefined) return refuse('missing kid in JWE token')
        const entry = environment.auth.find('jwe-decrypt', String(header.kid))
        if (entry === undefined) return refuse('invalid kid in JWE token')
        const key = secretOf(entry.conf)
        // RFC 7516 §5.2 has the header authenticated as well; APISIX's own tokens leave that out.
        const plain = decrypt(parts, key, { withHeader: true }) ?? decrypt(parts, key, { withHeader: false })
        if (plain === undefined) return refuse('failed to decrypt JWE token')
        headers.set(own.forward_header, plain)
        return undefined
      },
    }
  },
}
