/** tsig, with dig as the client. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { testDirectory } from '../../support/index.ts'
import { dig, freePort, serve } from '../support/index.ts'

const block = (...lines: string[]): string => `. {\n bind 127.0.0.1\n errors\n ${lines.join('\n ')}\n}`
const secret = randomBytes(32).toString('base64')
const zone = '$TTL 60\n@ SOA ns root 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n'

test('tsig: dig -y, transfers, what must be signed, wrong keys', async (t) => {
  const directory = testDirectory(t, 'tsig')
  const many = Array.from({ length: 2000 }, (_, i) => `host-${i} TXT "some words to fill messages with"`)
  writeFileSync(join(directory, 'zone'), zone + many.join('\n'))
  writeFileSync(
    join(directory, 'keys'),
    `# keys\nkey "second." {\n algorithm hmac-sha512;\n secret "${secret}";\n};\n`,
  )
  const port = await freePort()
  await serve(
    t,
    `example.org:${port} {\n bind 127.0.0.1\n root ${directory}\n tsig {\n secret First ${secret}\n secrets keys\n require AXFR TXT\n }\n file zone\n transfer {\n to *\n }\n}`,
  )
  for (const key of [
    `hmac-sha256:first:${secret}`,
    `hmac-sha1:first:${secret}`,
    `hmac-md5:first:${secret}`,
    `hmac-sha512:second:${secret}`,
    `hmac-sha384:second:${secret}`,
  ]) {
    // dig says so when the signature of the answer is wrong or missing.
    const { status, answer, text } = await dig(port, 'ns.example.org', 'A', '-y', key)
    t.is(status, 'NOERROR', key)
    t.is(answer.length, 1)
    t.regex(text, /TSIG PSEUDOSECTION/)
    t.notRegex(text, /Some TSIG could not be validated|Couldn't verify/)
  }
  t.is((await dig(port, 'ns.example.org', 'A')).status, 'NOERROR')
  t.is((await dig(port, 'host-1.example.org', 'TXT')).status, 'REFUSED')
  t.regex((await dig(port, 'example.org', 'AXFR')).text, /Transfer failed/)
  const signed = await dig(port, 'example.org', 'AXFR', '-y', `hmac-sha256:first:${secret}`)
  t.regex(signed.text, /XFR size: 2004 records \(messages (?:[5-9]|\d\d)/)
  t.notRegex(signed.text, /Couldn't verify|failed|could not be validated/)
  const unknown = await dig(port, 'ns.example.org', 'A', '-y', `hmac-sha256:nobody:${secret}`)
  t.is(unknown.status, 'NOTAUTH')
  t.regex(unknown.text, /BADKEY/)
  const wrong = await dig(
    port,
    'ns.example.org',
    'A',
    '-y',
    `hmac-sha256:first:${Buffer.alloc(32).toString('base64')}`,
  )
  t.is(wrong.status, 'NOTAUTH')
  t.regex(wrong.text, /BADSIG/)
  const late = await dig(
    port,
    'ns.example.org',
    'A',
    '-y',
    `hmac-sha256:first:${secret}`,
    '+fuzztime=1000000000',
  )
  t.is(late.status, 'NOTAUTH')
  t.regex(late.text, /BADTIME/)
})

test('tsig: what is wrong in the Corefile', async (t) => {
  const file = join(testDirectory(t, 'tsig'), 'keys')
  writeFileSync(file, 'nothing')
  for (const [line, message] of [
    ['secret x', /needs 2 arguments/],
    ['secret x !', /not in base64/],
    [`secret x ${secret}\n secret X. ${secret}`, /defined twice/],
    ['secrets /nonexistent', /cannot be read/],
    [`secrets ${file}`, /there is no key in/],
    ['require NOTYPE', /not known to 'require'/],
    ['require_opcode PING', /not known to 'require_opcode'/],
  ] as const)
    await t.throwsAsync(serve(t, block(`tsig {\n ${line}\n }`)), { message })
})
