/** Keys of zones in the files dnssec-keygen writes. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyTag } from '../../../dns/zone/dnssec/keys.ts'

export type KeyKind = 'ecdsa' | 'ed25519' | 'rsa'

export interface ZoneKeyFiles {
  /** path without suffix */
  readonly base: string
  /** public key in base64, as trust anchors have it */
  readonly publicKey: string
  readonly algorithm: number
  readonly flags: number
}

const algorithms: Readonly<Record<KeyKind, number>> = { ecdsa: 13, ed25519: 15, rsa: 8 }

export function makeZoneKey(
  directory: string,
  zone: string,
  options: { kind?: KeyKind; flags?: 256 | 257 } = {},
): ZoneKeyFiles {
  const { kind = 'ecdsa', flags = 257 } = options
  const algorithm = algorithms[kind]
  const key = privateKey(kind)
  const jwk = key.export({ format: 'jwk' })
  const octets = (name: keyof typeof jwk): Buffer => Buffer.from(String(jwk[name]), 'base64url')
  const base64 = (name: keyof typeof jwk): string => octets(name).toString('base64')
  const exponent = kind === 'rsa' ? octets('e') : Buffer.alloc(0)
  const publicKey =
    kind === 'ecdsa'
      ? Buffer.concat([octets('x'), octets('y')])
      : kind === 'ed25519'
        ? octets('x')
        : Buffer.concat([Buffer.from([exponent.length]), exponent, octets('n')])
  const rdata = Buffer.concat([Buffer.from([flags >> 8, flags & 255, 3, algorithm]), publicKey])
  const tag = String(keyTag(rdata)).padStart(5, '0')
  const base = join(directory, `K${zone}+${String(algorithm).padStart(3, '0')}+${tag}`)
  const text = publicKey.toString('base64')
  writeFileSync(`${base}.key`, `; a comment\n${zone} IN DNSKEY ${flags} 3 ${algorithm} ${text}\n`)
  const fields =
    kind === 'rsa'
      ? ([
          ['Modulus', 'n'],
          ['PublicExponent', 'e'],
          ['PrivateExponent', 'd'],
          ['Prime1', 'p'],
          ['Prime2', 'q'],
          ['Exponent1', 'dp'],
          ['Exponent2', 'dq'],
          ['Coefficient', 'qi'],
        ] as const)
      : ([['PrivateKey', 'd']] as const)
  const lines = fields.map(([name, field]) => `${name}: ${base64(field)}`)
  writeFileSync(`${base}.private`, `Private-key-format: v1.3\nAlgorithm: ${algorithm}\n${lines.join('\n')}\n`)
  return { base, publicKey: text, algorithm, flags }
}

function privateKey(kind: KeyKind): KeyObject {
  if (kind === 'ecdsa') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}
