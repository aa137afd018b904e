import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { isObject, type JsonObject } from '../../objects/index.ts'

export interface Token {
  readonly header: JsonObject
  readonly claims: JsonObject
  readonly signed: string
  readonly signature: Buffer
}

/** Takes a compact JWS (RFC 7515 §3.1) apart without believing any of it; undefined if it is none. */
export function decodeToken(text: string): Token | undefined {
  const parts = text.split('.')
  const [header = '', claims = '', signature = ''] = parts
  if (parts.length !== 3 || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(text)) return undefined
  try {
    const decoded = [header, claims].map((part): unknown =>
      JSON.parse(Buffer.from(part, 'base64url').toString('utf8')),
    )
    const [first, second] = decoded
    if (!isObject(first) || !isObject(second)) return undefined
    return {
      header: first,
      claims: second,
      signed: `${header}.${claims}`,
      signature: Buffer.from(signature, 'base64url'),
    }
  } catch {
    return undefined
  }
}

/** True if the key made the signature with that algorithm. The algorithm is the consumer's, never the token's own word. */
export function signatureHolds(token: Token, algorithm: string, key: string | Buffer | KeyObject): boolean {
  const hash = `sha${algorithm.slice(2)}`
  const data = Buffer.from(token.signed)
  try {
    switch (algorithm.slice(0, 2)) {
      case 'HS': {
        const expected = createHmac(hash, key).update(data).digest()
        return expected.length === token.signature.length && timingSafeEqual(expected, token.signature)
      }
      case 'RS':
        return verify(hash, data, key as string, token.signature)
      case 'PS': {
        const padding = constants.RSA_PKCS1_PSS_PADDING
        const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
        return verify(hash, data, { key: key as string, padding, saltLength }, token.signature)
      }
      case 'ES':
        return verify(hash, data, { key: key as string, dsaEncoding: 'ieee-p1363' }, token.signature)
      default:
        return algorithm === 'EdDSA' && verify(null, data, key as string, token.signature)
    }
  } catch {
    return false
  }
}
