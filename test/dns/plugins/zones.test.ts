/** file, auto, secondary, transfer: zone files, AXFR, IXFR and NOTIFY with dig and NSD. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Rcode, Type } from '../../../dns/wire/index.ts'
import { testDirectory, waitUntil } from '../../support/index.ts'
import { ask, dig, freePort, serve } from '../support/index.ts'
import { nsd, withoutNsd } from '../support/nsd.ts'

const soa = (serial: number): string => `@ 3600 IN SOA ns root ${serial} 1800 900 604800 60`

const zoneText = (serial: number, ...more: string[]): string =>
  [
    '$TTL 300',
    soa(serial),
    '@ NS ns',
    'ns A 192.0.2.53',
    '@ MX 10 mail',
    'mail A 192.0.2.25',
    ' AAAA 2001:db8::25',
    'www CNAME web.srv',
    'web.srv A 192.0.2.80',
    '*.wild TXT "any ; thing" second',
    'sub NS ns.sub',
    'ns.sub A 192.0.2.99',
    'old DNAME new',
    'x.new A 192.0.2.77',
    '_http._tcp SRV 0 5 80 mail',
    'away CNAME elsewhere.example.',
    ...more,
    '',
  ].join('\n')

const block = (...lines: string[]): string => `example.org {\n bind 127.0.0.1\n ${lines.join('\n ')}\n}`

test('file: what RFC 1034, 4592 and 6672 say', async (t) => {
  const directory = testDirectory(t, 'zone')
  const file = join(directory, 'db.example.org')
  writeFileSync(file, zoneText(1))
  const { port } = await serve(
    t,
    `${block(`file ${file}`)}\nelsewhere.example {\n bind 127.0.0.1\n hosts /nonexistent {\n 192.0.2.1 elsewhere.example\n }\n}`,
  )
  const ask = (name: string, type: string) => dig(port, name, type)
  const mx = await ask('example.org', 'MX')
  t.deepEqual(mx.answer, ['example.org. 300 MX 10 mail.example.org.'])
  t.deepEqual(
    mx.additional.filter((line) => !line.includes('OPT')),
    ['mail.example.org. 300 A 192.0.2.25', 'mail.example.org. 300 AAAA 2001:db8::25'],
  )
  t.true(mx.flags.includes('aa'))
  t.deepEqual((await ask('WWW.example.org', 'A')).answer, [
    'WWW.example.org. 300 CNAME web.srv.example.org.',
    'web.srv.example.org. 300 A 192.0.2.80',
  ])
  t.deepEqual((await ask('a.b.wild.example.org', 'TXT')).answer, [
    'a.b.wild.example.org. 300 TXT "any ; thing" "second"',
  ])
  t.like(await ask('srv.example.org', 'A'), { status: 'NOERROR', answer: [] })
  t.like(await ask('a.wild.example.org', 'A'), { status: 'NOERROR', answer: [] })
  const missing = await ask('nothing.example.org', 'A')
  t.is(missing.status, 'NXDOMAIN')
  t.deepEqual(missing.authority, [
    'example.org. 60 SOA ns.example.org. root.example.org. 1 1800 900 604800 60',
  ])
  const referral = await ask('host.sub.example.org', 'A')
  t.false(referral.flags.includes('aa'))
  t.deepEqual(referral.authority, ['sub.example.org. 300 NS ns.sub.example.org.'])
  t.true(referral.additional.includes('ns.sub.example.org. 300 A 192.0.2.99'))
  t.deepEqual((await ask('x.old.example.org', 'A')).answer, [
    'old.example.org. 300 DNAME new.example.org.',
    'x.old.example.org. 300 CNAME x.new.example.org.',
    'x.new.example.org. 300 A 192.0.2.77',
  ])
  t.deepEqual((await ask('away.example.org', 'A')).answer, [
    'away.example.org. 300 CNAME elsewhere.example.',
    'elsewhere.example. 3600 A 192.0.2.1',
  ])
  t.is((await dig(port, 'example.org', 'AXFR', '+tcp')).answer.length, 0)
})

test('file: a new serial counts, a wrong file does not; fallthrough', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  writeFileSync(file, zoneText(1))
  const { port, lines } = await serve(
    t,
    block(
      `file ${file} {\n reload 100ms\n fallthrough\n }`,
      'hosts /nonexistent {\n 192.0.2.9 other.example.org\n fallthrough\n }',
    ),
  )
  t.deepEqual((await dig(port, 'other.example.org', 'A')).answer, ['other.example.org. 3600 A 192.0.2.9'])
  writeFileSync(file, zoneText(2, 'new A 192.0.2.2'))
  await waitUntil(async () => (await dig(port, 'new.example.org', 'A')).answer.length === 1)
  writeFileSync(file, `${zoneText(3)}broken A not-an-address\n`)
  await waitUntil(() => lines.some((line) => line.includes('stays as it was')))
  t.is((await dig(port, 'new.example.org', 'A')).answer.length, 1)
})

test('file: reload_by_mtime takes a file with the serial it had', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  writeFileSync(file, zoneText(1))
  const { port } = await serve(t, block(`file ${file} {\n reload 100ms\n reload_by_mtime\n }`))
  writeFileSync(file, zoneText(1, 'new A 192.0.2.2'))
  await waitUntil(async () => (await dig(port, 'new.example.org', 'A')).answer.length === 1)
  t.pass()
})

test('auto: zones come and go with their files', async (t) => {
  const directory = testDirectory(t, 'zones')
  mkdirSync(join(directory, 'below'))
  writeFileSync(join(directory, 'db.a.test'), zoneText(1))
  writeFileSync(join(directory, 'ignored.txt'), 'nonsense')
  const { port } = await serve(
    t,
    `test {\n bind 127.0.0.1\n auto {\n directory ${directory} db\\.(.*) {1}\n reload 100ms\n }\n}`,
  )
  t.is((await dig(port, 'ns.a.test', 'A')).answer.length, 1)
  writeFileSync(join(directory, 'below', 'db.b.test'), zoneText(1))
  await waitUntil(async () => (await dig(port, 'ns.b.test', 'A')).answer.length === 1)
  rmSync(join(directory, 'db.a.test'))
  await waitUntil(async () => (await dig(port, 'ns.a.test', 'A')).status === 'REFUSED')
  t.is((await dig(port, 'ns.b.test', 'A')).answer.length, 1)
})

test('transfer: dig axfr of a zone of many messages; who may have it; UDP', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  const many = Array.from({ length: 3000 }, (_, i) => `host-with-a-longer-name-${i} A 192.0.2.${i % 256}`)
  writeFileSync(file, zoneText(7, ...many))
  const { port } = await serve(t, block(`file ${file}`, 'transfer {\n to *\n }'))
  const axfr = await dig(port, 'example.org', 'AXFR', '+onesoa')
  const records = axfr.text.split('\n').filter((line) => line !== '' && !line.startsWith(';'))
  t.is(records.length, 3000 + 15)
  t.regex(axfr.text, /XFR size: 3016 records \(messages (?:[5-9]|\d\d)/)
  t.regex((await dig(port, 'example.org', 'IXFR=7')).text, /XFR size: 1 records/)
  t.is((await ask(port, 'example.org.', Type.AXFR))?.rcode, Rcode.REFUSED)
  t.regex((await dig(port, 'sub.example.org', 'AXFR')).text, /Transfer failed/)
  const closed = await serve(t, block(`file ${file}`, 'transfer {\n to 192.0.2.1\n }'))
  t.regex((await dig(closed.port, 'example.org', 'AXFR')).text, /Transfer failed/)
})

test('transfer: IXFR gives the changes', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  writeFileSync(file, zoneText(1, 'gone A 192.0.2.1'))
  const { port } = await serve(t, block(`file ${file} {\n reload 100ms\n }`, 'transfer {\n to *\n }'))
  writeFileSync(file, zoneText(2, 'new A 192.0.2.2'))
  await waitUntil(async () => (await dig(port, 'new.example.org', 'A')).answer.length === 1)
  const { text } = await dig(port, 'example.org', 'IXFR=1')
  const records = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.split(/\s+/).slice(0, 7).join(' '))
  const soaOf = (serial: number): string =>
    `example.org. 3600 IN SOA ns.example.org. root.example.org. ${serial}`
  t.deepEqual(records, [
    soaOf(2),
    soaOf(1),
    'gone.example.org. 300 IN A 192.0.2.1',
    soaOf(2),
    'new.example.org. 300 IN A 192.0.2.2',
    soaOf(2),
  ])
})

test('secondary: a secondary of ours follows a primary of ours by NOTIFY and IXFR, and gives the zone on', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  writeFileSync(file, zoneText(1))
  const [upper, lower] = [await freePort(), await freePort()]
  await serve(
    t,
    `example.org:${upper} {\n bind 127.0.0.1\n file ${file} {\n reload 100ms\n }\n transfer {\n to 127.0.0.1:${lower}\n }\n}`,
  )
  const { lines } = await serve(
    t,
    `example.org:${lower} {\n bind 127.0.0.1\n secondary {\n transfer from 127.0.0.1:9 127.0.0.1:${upper}\n }\n transfer {\n to *\n }\n}`,
  )
  await waitUntil(async () => (await dig(lower, 'www.example.org', 'A')).answer.length === 2)
  writeFileSync(file, zoneText(2, 'new A 192.0.2.2'))
  await waitUntil(async () => (await dig(lower, 'new.example.org', 'A')).answer.length === 1)
  t.true(lines.some((line) => line.includes('"serial":2')))
  t.regex((await dig(lower, 'example.org', 'AXFR')).text, /XFR size: 17 records/)
  t.regex((await dig(lower, 'example.org', 'IXFR=1')).text, /new\.example\.org/)
})

const nsdTest = withoutNsd === undefined ? test : test.skip

nsdTest('secondary of NSD: the whole zone, then a change it tells of', async (t) => {
  const ours = await freePort()
  const primary = await nsd(t, [
    {
      name: 'example.org.',
      text: zoneText(1),
      lines: [
        'provide-xfr: 127.0.0.1 NOKEY',
        `notify: 127.0.0.1@${ours} NOKEY`,
        'store-ixfr: yes',
        'create-ixfr: yes',
      ],
    },
  ])
  const { lines } = await serve(
    t,
    `example.org:${ours} {\n bind 127.0.0.1\n secondary {\n transfer from 127.0.0.1:${primary.port}\n }\n}`,
  )
  await waitUntil(async () => (await dig(ours, 'x.old.example.org', 'A')).answer.length === 3)
  for (const [name, type] of [
    ['example.org', 'SOA'],
    ['a.wild.example.org', 'TXT'],
    ['host.sub.example.org', 'A'],
    ['_http._tcp.example.org', 'SRV'],
    ['none.example.org', 'A'],
  ] as const) {
    const [here, there] = [await dig(ours, name, type), await dig(primary.port, name, type, '+norec')]
    t.deepEqual(
      [here.status, here.answer, here.authority.filter((line) => !line.includes(' NS '))],
      [there.status, there.answer, there.authority.filter((line) => !line.includes(' NS '))].map((part) =>
        name === 'host.sub.example.org' && Array.isArray(part) ? [] : part,
      ),
      `${name} ${type}`,
    )
  }
  writeFileSync(join(primary.directory, 'example.org.zone'), zoneText(2, 'new A 192.0.2.2'))
  primary.child.kill('SIGHUP')
  await waitUntil(async () => (await dig(ours, 'new.example.org', 'A')).answer.length === 1)
  t.true(lines.some((line) => line.includes('"serial":2')))
})

nsdTest('NSD as secondary: takes the zone, and changes when it is notified', async (t) => {
  const file = join(testDirectory(t, 'zone'), 'db')
  writeFileSync(file, zoneText(1))
  const ours = await freePort()
  const secondary = await nsd(t, [
    {
      name: 'example.org.',
      lines: [`request-xfr: 127.0.0.1@${ours} NOKEY`, 'allow-notify: 127.0.0.1 NOKEY'],
    },
  ])
  await serve(
    t,
    `example.org:${ours} {\n bind 127.0.0.1\n file ${file} {\n reload 100ms\n }\n transfer {\n to 127.0.0.1:${secondary.port}\n }\n}`,
  )
  await waitUntil(
    async () => (await dig(secondary.port, 'ns.example.org', 'A', '+norec')).answer.length === 1,
  )
  writeFileSync(file, zoneText(2, 'new A 192.0.2.2'))
  await waitUntil(
    async () => (await dig(secondary.port, 'new.example.org', 'A', '+norec')).answer.length === 1,
  )
  t.pass()
})

test('secondary: members of a catalog come and go', async (t) => {
  const directory = testDirectory(t, 'catalog')
  const catalog = (serial: number, ...members: string[]): string =>
    ['$TTL 60', soa(serial), '@ NS invalid.', 'version TXT "2"', ...members, ''].join('\n')
  writeFileSync(join(directory, 'cat'), catalog(1, 'id1.zones PTR a.test.', 'id2.zones PTR b.other.'))
  for (const zone of ['a.test', 'c.test']) writeFileSync(join(directory, zone), zoneText(1))
  const [upper, lower] = [await freePort(), await freePort()]
  const source = (zone: string, file: string): string =>
    `${zone}:${upper} {\n bind 127.0.0.1\n file ${join(directory, file)} {\n reload 100ms\n }\n transfer {\n to 127.0.0.1:${lower}\n }\n}\n`
  await serve(t, source('cat.test', 'cat') + source('a.test', 'a.test') + source('c.test', 'c.test'))
  await serve(
    t,
    `.:${lower} {\n bind 127.0.0.1\n secondary cat.test {\n transfer from 127.0.0.1:${upper}\n catalog test\n }\n}`,
  )
  await waitUntil(async () => (await dig(lower, 'ns.a.test', 'A')).answer.length === 1)
  writeFileSync(join(directory, 'cat'), catalog(2, 'id3.zones PTR c.test.'))
  await waitUntil(async () => (await dig(lower, 'ns.c.test', 'A')).answer.length === 1)
  t.is((await dig(lower, 'ns.a.test', 'A')).status, 'REFUSED')
})

test('setup errors of file, auto, secondary and transfer', async (t) => {
  for (const [lines, message] of [
    ['file', /needs at least 1 argument/],
    ['file db {\n reload soon\n }', /no duration/],
    ['auto', /needs the line: directory/],
    ['secondary', /needs the line: transfer from/],
    ['secondary {\n transfer to 192.0.2.1\n }', /must be: transfer from/],
    ['transfer', /needs the line: to/],
    ['transfer {\n to nobody\n }', /no address/],
    ['file /nonexistent/zone {\n reload 0\n }', /nonexistent/],
  ] as const)
    await t.throwsAsync(serve(t, block(lines)), { message })
})
