import { createCipheriv, createDecipheriv } from 'node:crypto'
import { isObject, type JsonObject, type Kind } from '../objects/index.ts'
import type { Plugin } from '../plugins/index.ts'
import type { ValueCodec } from './storage.ts'

type Change = (secret: string) => string

/** Changes the strings at a dotted path, and those in an object there, in place; lists on the way are gone through. */
function changeAt(holder: JsonObject, path: readonly string[], change: Change): void {
  const [name = '', ...rest] = path
  const value = holder[name]
  if (rest.length === 0) {
    if (typeof value === 'string') holder[name] = change(value)
    else if (Array.isArray(value))
      holder[name] = value.map((one) => (typeof one === 'string' ? change(one) : one))
    else if (isObject(value)) for (const one of Object.keys(value)) changeAt(value, [one], change)
  } else if (isObject(value)) changeAt(value, rest, change)
  else if (Array.isArray(value)) for (const one of value) if (isObject(one)) changeAt(one, rest, change)
}

/** What gives access to vault, aws and gcp. */
const OF_MANAGERS = [['token'], ['secret_access_key'], ['session_token'], ['auth_config', 'private_key']]

/** A copy of an object with every secret in it changed: those its plugins name, private keys of certificates and upstreams. */
export function changeSecrets(
  kind: Kind,
  value: JsonObject,
  registry: ReadonlyMap<string, Plugin>,
  change: Change,
): JsonObject {
  const copy = structuredClone(value)
  if (kind === 'ssls') for (const field of ['key', 'keys']) changeAt(copy, [field], change)
  if (kind === 'secrets') for (const path of OF_MANAGERS) changeAt(copy, path, change)
  changeAt(copy, ['tls', 'client_key'], change)
  changeAt(copy, ['upstream', 'tls', 'client_key'], change)
  const plugins = isObject(copy.plugins) ? copy.plugins : {}
  const identity = kind === 'consumers' || kind === 'credentials'
  for (const [name, conf] of Object.entries(plugins)) {
    const plugin = registry.get(name)
    const own = identity && plugin?.consumerSchema !== undefined
    const fields = own ? plugin?.consumerEncryptFields : plugin?.encryptFields
    if (isObject(conf)) for (const field of fields ?? []) changeAt(conf, field.split('.'), change)
  }
  return copy
}

/**
 * Secrets encrypted as APISIX's data_encryption does: AES in CBC mode, the keyring's word (16 bytes or 32) being key and, with
 * its first 16 bytes, initial vector, in base64.
 * The first word of the keyring encrypts, all of them decrypt, and what none decrypts was in clear.
 */
export function keyringCodec(keyring: readonly string[], registry: ReadonlyMap<string, Plugin>): ValueCodec {
  const [first] = keyring
  if (first === undefined) return { encode: (_kind, value) => value, decode: (_kind, value) => value }
  const encrypt: Change = (secret) => {
    const cipher = createCipheriv(algorithmOf(first), first, vectorOf(first))
    return Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]).toString('base64')
  }
  const decrypt: Change = (text) => {
    if (
      !/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$|^[A-Za-z0-9+/]{2,3}={1,2}$/.test(
        text,
      )
    )
      return text
    const bytes = Buffer.from(text, 'base64')
    if (bytes.length === 0 || bytes.length % 16 !== 0) return text
    for (const word of keyring) {
      try {
        const decipher = createDecipheriv(algorithmOf(word), word, vectorOf(word))
        const plain = Buffer.concat([decipher.update(bytes), decipher.final()])
        const decoded = plain.toString('utf8')
        if (Buffer.from(decoded).equals(plain)) return decoded
      } catch {
        // Another word of the keyring, or clear text.
      }
    }
    return text
  }
  return {
    encode: (kind, value) => changeSecrets(kind, value, registry, encrypt),
    decode: (kind, value) => changeSecrets(kind, value, registry, decrypt),
  }
}

function algorithmOf(word: string): string {
  return Buffer.byteLength(word) === 32 ? 'aes-256-cbc' : 'aes-128-cbc'
}

function vectorOf(word: string): Buffer {
  return Buffer.from(word).subarray(0, 16)
}

/** As it may be shown and logged. */
export function withoutSecrets(
  kind: Kind,
  value: JsonObject,
  registry: ReadonlyMap<string, Plugin>,
): JsonObject {
  return changeSecrets(kind, value, registry, () => '********')
}
