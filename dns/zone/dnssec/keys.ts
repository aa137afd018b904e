/** Keys of zones, in the files dnssec-keygen writes. */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { asciiLower, nameOctets, type ResourceRecord, Type } from '../../wire/index.ts'
import { ZoneError } from '../errors.ts'
import { readZoneFile } from '../master-file.ts'

/** SEP, the bit that marks key signing keys (RFC 4034 §2.1.1) */
const sepBit = 1

export interface ZoneKey {
  /** lower case, as the file has it */
  readonly owner: string
  readonly flags: number
  readonly algorithm: number
  /** data of the DNSKEY record */
  readonly rdata: Buffer
  readonly tag: number
  /** signs octets as the algorithm wants it */
  readonly sign: (octets: Uint8Array) => Buffer
}

export function isKeySigningKey(key: ZoneKey): boolean {
  return (key.flags & sepBit) !== 0
}

/** Reads a pair of files; `path` is that of one of them, or what they have in common. Throws ZoneError. */
export function readKey(path: string): ZoneKey {
  const base = path.replace(/\.(?:key|private)$/, '')
  const [publicFile, privateFile] = [`${base}.key`, `${base}.private`]
  for (const file of [publicFile, privateFile])
    if (!existsSync(file)) throw new ZoneError(`${file}: the file of the key is missing`)
  const record = readZoneFile(publicFile, '.').find(({ type }) => type === Type.DNSKEY)
  if (record?.kind !== 'raw') throw new ZoneError(`${publicFile}: there is no DNSKEY record`)
  const rdata = Buffer.from(record.rdata)
  const algorithm = rdata[3] ?? 0
  const fields = new Map(
    [...readFileSync(privateFile, 'utf8').matchAll(/^(\w+):\s*(\S+)/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )
  try {
    return {
      owner: asciiLower(record.name),
      flags: rdata.readUInt16BE(0),
      algorithm,
      rdata,
      tag: keyTag(rdata),
      sign: signerOf(algorithm, rdata.subarray(4), fields),
    }
  } catch (cause) {
    if (cause instanceof ZoneError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ZoneError(`${privateFile}: the key does not work: ${reason}`, { cause })
  }
}

const rsaHashes: Readonly<Record<number, string>> = { 5: 'sha1', 7: 'sha1', 8: 'sha256', 10: 'sha512' }
const curves: Readonly<Record<number, { crv: string; hash: string }>> = {
  13: { crv: 'P-256', hash: 'sha256' },
  14: { crv: 'P-384', hash: 'sha384' },
}
const edwards: Readonly<Record<number, string>> = { 15: 'Ed25519', 16: 'Ed448' }

function signerOf(
  algorithm: number,
  publicKey: Buffer,
  fields: ReadonlyMap<string, string>,
): (octets: Uint8Array) => Buffer {
  const url = (octets: Buffer): string => octets.toString('base64url')
  const field = (name: string): string => {
    const value = fields.get(name)
    if (value === undefined) throw new ZoneError(`the private key has no ${name}`)
    return url(Buffer.from(value, 'base64'))
  }
  const curve = curves[algorithm]
  if (curve !== undefined) {
    const half = publicKey.length / 2
    const key = fromJwk({
      kty: 'EC',
      crv: curve.crv,
      x: url(publicKey.subarray(0, half)),
      y: url(publicKey.subarray(half)),
      d: field('PrivateKey'),
    })
    return (octets) => sign(curve.hash, octets, { key, dsaEncoding: 'ieee-p1363' })
  }
  const crv = edwards[algorithm]
  if (crv !== undefined) {
    const key = fromJwk({ kty: 'OKP', crv, x: url(publicKey), d: field('PrivateKey') })
    return (octets) => sign(null, octets, key)
  }
  const hash = rsaHashes[algorithm]
  if (hash === undefined) throw new ZoneError(`keys of algorithm ${algorithm} are not supported`)
  const key = fromJwk({
    kty: 'RSA',
    n: field('Modulus'),
    e: field('PublicExponent'),
    d: field('PrivateExponent'),
    p: field('Prime1'),
    q: field('Prime2'),
    dp: field('Exponent1'),
    dq: field('Exponent2'),
    qi: field('Coefficient'),
  })
  return (octets) => sign(hash, octets, key)
}

function fromJwk(jwk: Readonly<Record<string, string>>): KeyObject {
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

/** RFC 4034 appendix B. */
export function keyTag(rdata: Uint8Array): number {
  let sum = 0
  rdata.forEach((octet, i) => {
    sum += i % 2 === 0 ? octet << 8 : octet
  })
  return (sum + ((sum >> 16) & 0xffff)) & 0xffff
}

/** The data of a DS record for the key (RFC 4034 §5.1): digest type 1 (SHA-1) or 2 (SHA-256). */
export function dsData(owner: string, key: ZoneKey, digestType: 1 | 2): Buffer {
  const digest = createHash(digestType === 1 ? 'sha1' : 'sha256')
    .update(nameOctets(asciiLower(owner)))
    .update(key.rdata)
    .digest()
  return Buffer.concat([Buffer.from([key.tag >> 8, key.tag & 255, key.algorithm, digestType]), digest])
}

/** The DNSKEY record of a key. */
export function dnskeyRecord(owner: string, key: ZoneKey, ttl: number): ResourceRecord {
  return { kind: 'raw', name: owner, type: Type.DNSKEY, class: 1, ttl, rdata: key.rdata }
}
