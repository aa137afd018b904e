import { generateKeyPairSync, sign } from 'node:crypto'

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 2
const BIT_STRING = 3
const UTF8_STRING = 12
const GENERALIZED_TIME = 24
const EXPLICIT_0 = 0xa0
/** SEQUENCE { ecdsa-with-SHA256 } (RFC 5758 §3.2) */
const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
/** id-at-commonName (RFC 5280 appendix A) */
const COMMON_NAME = Buffer.from('0603550403', 'hex')

/** A DER value of up to 64 KB (X.690 §8.1). */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

/** A new key and a certificate for a name that it has signed itself (RFC 5280 §4.1), in PEM: for a handshake with oneself. */
export function selfSigned(name: string): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(name)))))
  const always = ['20000101000000Z', '99991231235959Z'].map((time) =>
    der(GENERALIZED_TIME, Buffer.from(time)),
  )
  const body = der(
    SEQUENCE,
    der(EXPLICIT_0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.from([1])),
    ECDSA_SHA256,
    subject,
    der(SEQUENCE, ...always),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', body, privateKey))
  const certificate = der(SEQUENCE, body, ECDSA_SHA256, signature).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}/g, '$&\n').trim()}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
