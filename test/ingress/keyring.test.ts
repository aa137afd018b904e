import { execFileSync } from 'node:child_process'
import test from 'ava'
import type { Plugin } from '#ingress'
import { keyringCodec } from '../../ingress/admin/secret-fields.ts'

test('a keyring of 32 bytes is AES-256, as in APISIX', (t) => {
  const word = 'edd1c9f0985e76a2qeddd145sfvddff3'
  const registry = new Map([['csrf', { encryptFields: ['key'] } as unknown as Plugin]])
  const codec = keyringCodec([word, 'qeddd145sfvddff3'], registry)
  const route = { plugins: { csrf: { key: 'secret word' } } }
  const kept = codec.encode('routes', route)
  const cipher = execFileSync(
    'openssl',
    ['enc', '-aes-256-cbc', '-base64', '-A', '-K', hex(word), '-iv', hex(word.slice(0, 16))],
    { input: 'secret word' },
  )
  t.deepEqual(kept, { plugins: { csrf: { key: cipher.toString() } } })
  t.deepEqual(codec.decode('routes', kept), route)
  const older = keyringCodec(['qeddd145sfvddff3'], registry).encode('routes', route)
  t.deepEqual(codec.decode('routes', older), route)
})

const hex = (text: string) => Buffer.from(text).toString('hex')
