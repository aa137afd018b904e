/** Behind us unbound resolves recursively, from two authoritative servers that know one zone each. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Message, Rcode, type ResourceRecord, Type } from '../../dns/wire/index.ts'
import { waitUntil } from '../support/index.ts'
import { a, dig, freePort, type Script, serve, soa, stubUpstream } from './support/index.ts'

/** Answers for a zone from a table, as an authoritative server does. */
function authority(zone: string, records: readonly ResourceRecord[]): Script {
  return (query): Partial<Message> => {
    const { name = '', type = 0 } = query.questions[0] ?? {}
    const lower = name.toLowerCase()
    const own = records.filter((record) => record.name === lower)
    const answer = own.filter((record) => record.type === type || record.type === Type.CNAME)
    const base = { authoritative: true, recursionAvailable: false, edns: query.edns }
    if (answer.length > 0) return { ...base, answer: answer.map((record) => ({ ...record, name })) }
    return { ...base, rcode: own.length > 0 ? Rcode.NOERROR : Rcode.NXDOMAIN, authority: [soa(zone)] }
  }
}

const cname = (name: string, target: string): ResourceRecord => ({
  kind: 'target',
  name,
  type: Type.CNAME,
  class: 1,
  ttl: 300,
  target,
})

async function unbound(t: ExecutionContext, stubs: Readonly<Record<string, number>>): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'plexus-unbound-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const port = await freePort()
  const zones = Object.entries(stubs).map(
    ([zone, at]) => `stub-zone:\n  name: "${zone}"\n  stub-addr: 127.0.0.1@${at}\n`,
  )
  writeFileSync(
    join(directory, 'unbound.conf'),
    `server:
  interface: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
  qname-minimisation: no
  local-zone: "test." nodefault
remote-control:
  control-enable: no
${zones.join('')}`,
  )
  const child = spawn('/usr/sbin/unbound', ['-d', '-c', join(directory, 'unbound.conf')], { stdio: 'ignore' })
  t.teardown(() => void child.kill('SIGKILL'))
  await waitUntil(async () => (await dig(port, 'version.bind', 'TXT', 'CH', '+time=1')).status !== 'NONE', {
    what: 'unbound',
  })
  return port
}

test.serial('answers, aliases across zones, absence, and what is too large for UDP', async (t) => {
  const many = Array.from({ length: 200 }, (_, i) => a('many.shop.test.', `192.0.2.${i + 1}`))
  const shop = await stubUpstream(
    t,
    authority('shop.test.', [
      cname('www.shop.test.', 'front.cdn.test.'),
      a('shop.test.', '192.0.2.1'),
      ...many,
    ]),
  )
  const cdn = await stubUpstream(t, authority('cdn.test.', [a('front.cdn.test.', '198.51.100.7', 120)]))
  const resolver = await unbound(t, { 'shop.test.': shop.port, 'cdn.test.': cdn.port })
  const { port } = await serve(
    t,
    `. {
  bind 127.0.0.1
  errors
  cache 60
  forward . 127.0.0.1:${resolver} {
    prefer_udp
  }
}`,
  )
  const alias = await dig(port, 'www.shop.test', 'A')
  t.deepEqual(
    alias.answer.map((line) => line.replace(/ \d+ /, ' ')),
    ['www.shop.test. CNAME front.cdn.test.', 'front.cdn.test. A 198.51.100.7'],
  )
  t.true(alias.flags.includes('ra'))
  t.false(alias.flags.includes('aa'))
  const before = shop.asked.length + cdn.asked.length
  t.is((await dig(port, 'www.shop.test', 'A')).answer.length, 2)
  t.is(shop.asked.length + cdn.asked.length, before, 'the second time from the cache')

  const none = await dig(port, 'none.shop.test', 'A')
  t.is(none.status, 'NXDOMAIN')
  t.regex(none.authority[0] ?? '', /^shop\.test\. \d+ SOA ns\.shop\.test\./)
  const empty = await dig(port, 'shop.test', 'AAAA')
  t.is(empty.status, 'NOERROR')
  t.deepEqual(empty.answer, [])
  t.regex(empty.authority[0] ?? '', /SOA/)

  const large = await dig(port, 'many.shop.test', 'A')
  t.is(large.answer.length, 200, 'dig came back over TCP')
  const cut = await dig(port, 'many.shop.test', 'A', '+ignore')
  t.true(cut.flags.includes('tc'))
  t.true(cut.answer.length < 200)
})
