/**
 * What a comparison with CoreDNS itself (differential/) brought to light, each as CoreDNS has it: for runs that cannot build
 * it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadCorefile } from '#dns'
import { Class, Rcode, Type } from '../../dns/wire/index.ts'
import { testDirectory } from '../support/index.ts'
import { a, ask, dig, serve, soa, stubUpstream } from './support/index.ts'

const block = (zone: string, ...lines: readonly string[]): string =>
  `${zone} {\n bind 127.0.0.1\n ${lines.join('\n ')}\n}\n`

const head = '$TTL 300\n@ SOA ns root 1 1800 900 604800 60\n@ NS ns\nns A 192.0.2.53\n'

test('zone files: record types of today, and $GENERATE', async (t) => {
  const directory = testDirectory(t, 'zones')
  const records = [
    'svc SVCB 1 web alpn="h2,h3" port=443 ipv4hint=192.0.2.80 key667="x\\001y" mandatory=port,alpn',
    'web HTTPS 1 . alpn=h2 ipv6hint=2001:db8::80',
    'web A 192.0.2.80',
    'here LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m',
    'uri URI 10 1 "https://example.org/"',
    'cert CERT 1 2 RSASHA256 aGVsbG8=',
    'mail SMIMEA 3 1 1 0123456789ABCDEF',
    'key OPENPGPKEY aGVsbG8=',
    'eui EUI48 00-00-5e-00-53-2a',
    'l32 L32 10 10.1.2.3',
    '2t7b4g4vsa5smi47k61mv5bv1a22bojr NSEC3 1 0 10 AABB 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG',
    '$GENERATE 1-3 host$ A 192.0.2.$',
    `$GENERATE 10-20/5 n\${0,4,x} CNAME host\${-9}`,
    '$GENERATE 1-1 cost TXT "\\$$"',
  ]
  writeFileSync(join(directory, 'zone'), `${head}${records.join('\n')}\n`)
  const { port } = await serve(t, block('example.org', `file ${join(directory, 'zone')}`))
  const answers: readonly (readonly [string, string, string])[] = [
    [
      'svc',
      'SVCB',
      '1 web.example.org. mandatory=alpn,port alpn="h2,h3" port=443 ipv4hint=192.0.2.80 key667="x\\001y"',
    ],
    ['web', 'HTTPS', '1 . alpn="h2" ipv6hint=2001:db8::80'],
    ['here', 'LOC', '52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m'],
    ['uri', 'URI', '10 1 "https://example.org/"'],
    ['cert', 'CERT', 'PKIX 2 RSASHA256 aGVsbG8='],
    ['mail', 'SMIMEA', '3 1 1 0123456789ABCDEF'],
    ['key', 'OPENPGPKEY', 'aGVsbG8='],
    ['eui', 'EUI48', '00-00-5e-00-53-2a'],
    ['l32', 'L32', '10 10.1.2.3'],
    ['2t7b4g4vsa5smi47k61mv5bv1a22bojr', 'NSEC3', '1 0 10 AABB 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG'],
    ['host2', 'A', '192.0.2.2'],
    ['n000f', 'CNAME', 'host6.example.org.'],
    ['cost', 'TXT', '"$1"'],
  ]
  for (const [name, type, data] of answers)
    t.deepEqual((await dig(port, `${name}.example.org`, type)).answer, [
      `${name}.example.org. 300 ${type} ${data}`,
    ])
  const svc = await dig(port, 'svc.example.org', 'SVCB')
  t.true(svc.additional.includes('web.example.org. 300 A 192.0.2.80'), 'addresses of the target')
})

test('file: the servers beside answers, aliases that end outside, DNAME asked for CNAME, names in between', async (t) => {
  const directory = testDirectory(t, 'zones')
  const more =
    'www A 192.0.2.1\nout CNAME none.example.net.\nempty CNAME www.example.net.\nold DNAME new\na.b.ent A 192.0.2.9\n'
  writeFileSync(join(directory, 'org'), `${head}${more}`)
  writeFileSync(join(directory, 'net'), `${head}www A 192.0.2.2\n`)
  const { port } = await serve(
    t,
    block('example.org', `file ${directory}/org {\n  fallthrough ent.example.org\n }`, 'whoami') +
      block('example.net', `file ${directory}/net`),
  )
  t.deepEqual((await dig(port, 'www.example.org', 'A')).authority, ['example.org. 300 NS ns.example.org.'])
  t.deepEqual((await dig(port, 'example.org', 'NS')).authority, [])
  const out = await dig(port, 'out.example.org', 'A')
  t.is(out.status, 'NXDOMAIN', 'RFC 6604: the code of the end of the chain')
  t.is(out.answer.length, 1)
  t.regex(out.authority[0] ?? '', / SOA /)
  t.like(await dig(port, 'empty.example.org', 'TXT'), { status: 'NOERROR' })
  t.regex((await dig(port, 'empty.example.org', 'TXT')).authority[0] ?? '', / SOA /)
  const synthesized = await dig(port, 'x.old.example.org', 'CNAME')
  t.is(synthesized.status, 'NOERROR')
  t.is(synthesized.answer[1], 'x.old.example.org. 300 CNAME x.new.example.org.')
  t.regex((await dig(port, 'b.ent.example.org', 'A')).additional.join(), / SRV /, 'falls through to whoami')
  t.is((await dig(port, 'www.example.com', 'A')).status, 'REFUSED')
})

test('hosts: an address that is not there is for the next plugin, without fallthrough too', async (t) => {
  const directory = testDirectory(t, 'hosts')
  writeFileSync(join(directory, 'hosts'), '192.0.2.7 outside.test\n')
  const upstream = await stubUpstream(t, () => ({ rcode: Rcode.NXDOMAIN, authority: [soa('in-addr.arpa.')] }))
  const { port } = await serve(
    t,
    block(
      '.',
      `hosts ${directory}/hosts example.org {\n  10.0.0.1 x.example.org\n  bogus line\n  10.0.0.2\n }`,
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  t.is((await ask(port, '1.0.0.10.in-addr.arpa.', Type.PTR))?.answer.length, 1)
  t.is((await ask(port, '9.0.0.10.in-addr.arpa.', Type.PTR))?.rcode, Rcode.NXDOMAIN)
  t.is((await ask(port, '7.2.0.192.in-addr.arpa.', Type.PTR))?.rcode, Rcode.NXDOMAIN, 'outside the zones')
  t.is((await ask(port, 'y.example.org.', Type.A))?.rcode, Rcode.SERVFAIL)
})

test('cache: a SERVFAIL hides no stale answer; AD is asked for, and told to who wants it; TTLs have their limit', async (t) => {
  let down = false
  let authentic: boolean | undefined
  const upstream = await stubUpstream(t, (query) => {
    authentic = query.authenticData
    const name = query.questions[0]?.name ?? ''
    if (name === 'loose.example.')
      return { answer: [{ kind: 'target', name, type: Type.CNAME, class: 1, ttl: 900, target: 'y.' }] }
    return down ? { rcode: Rcode.SERVFAIL } : { authenticData: true, answer: [a(name, '192.0.2.1', 1)] }
  })
  const { port } = await serve(
    t,
    block('.', 'cache 60 {\n  success 1024 1 1\n  serve_stale\n }', `forward . 127.0.0.1:${upstream.port}`),
  )
  t.false((await ask(port, 'x.example.', Type.A))?.authenticData)
  t.true(authentic)
  t.true((await ask(port, 'x.example.', Type.A, { authenticData: true }))?.authenticData)
  t.is((await ask(port, 'loose.example.', Type.A))?.answer[0]?.ttl, 1, 'not kept, but limited')
  down = true
  const asked = upstream.asked.length
  await new Promise((next) => setTimeout(next, 1100))
  const again = async (): Promise<number | undefined> => (await ask(port, 'x.example.', Type.A))?.rcode
  t.is(await again(), Rcode.NOERROR)
  for (let i = 0; i < 100 && upstream.asked.length === asked; i += 1)
    await new Promise((next) => setTimeout(next, 20))
  t.true(upstream.asked.length > asked, 'the refresh has failed')
  for (let i = 0; i < 5; i += 1) t.is(await again(), Rcode.NOERROR)
})

test('rewrite: answers back for every kind of rule, and for values', async (t) => {
  const directory = testDirectory(t, 'zones')
  mkdirSync(directory, { recursive: true })
  const more = 'www CNAME web\nweb A 192.0.2.1\nsrv SRV 1 2 3 web\n'
  writeFileSync(join(directory, 'org'), `${head}${more}`)
  const { port } = await serve(
    t,
    block(
      '.',
      'rewrite name substring .sub.test .example.org answer auto',
      'rewrite name regex (.*)[.]re[.]test {1}.example.org answer auto',
      'rewrite name regex (.*)[.]two[.]test {1}.example.org answer name (.*)[.]example[.]org {1}.two.test value (.*)[.]example[.]org {1}.two.test',
      'rewrite cname exact none.example.org web.example.org',
      `file ${directory}/org example.org`,
    ),
  )
  t.deepEqual((await dig(port, 'web.sub.test', 'A')).answer, ['web.sub.test. 300 A 192.0.2.1'])
  t.deepEqual((await dig(port, 'www.re.test', 'A')).answer, [
    'www.re.test. 300 CNAME web.example.org.',
    'web.example.org. 300 A 192.0.2.1',
  ])
  t.deepEqual((await dig(port, 'srv.two.test', 'SRV')).answer, ['srv.two.test. 300 SRV 1 2 3 web.two.test.'])
  t.is((await dig(port, 'none.two.test', 'A')).authority[0]?.split(' ')[3], 'ns.two.test.', 'SOA, too')
})

test('whoami answers in the class of the query; local has NS and SOA, and every name below localhost.*', async (t) => {
  const { port } = await serve(t, block('.', 'chaos', 'local', 'whoami'))
  const chaos = await ask(port, 'x.test.', Type.A, {
    questions: [{ name: 'x.test.', type: Type.A, class: Class.CH }],
  })
  t.deepEqual(new Set(chaos?.additional.map((record) => record.class)), new Set([Class.CH]))
  t.deepEqual((await dig(port, 'localhost', 'NS')).answer, ['localhost. 604800 NS localhost.'])
  t.regex((await dig(port, 'localhost', 'SOA')).answer[0] ?? '', / SOA /)
  t.is((await dig(port, 'localhost.a.b.c.test', 'A')).answer.length, 1)
})

const wrong = [
  'forward . 192.0.2.1 {\n max_age 5s\n expire 10s\n}',
  'forward . 192.0.2.1 {\n read_timeout 0s\n}',
  'forward . 192.0.2.1 {\n failover NOERROR\n}',
  'cache -1',
  'template IN A {\n answer "{{ .Name"\n}',
  'rewrite ttl example.org 60-30',
  'rewrite rcode example.org 99 0',
  'rewrite edns0 local set 0xffee 0x123',
  'rewrite edns0 local set 0xffee {bogus}',
  'rewrite edns0 nsid set x',
  'acl {\n block net\n}',
  'acl {\n block type net *\n}',
]
for (const lines of wrong) {
  test(`refused as CoreDNS refuses it: ${lines.replaceAll('\n', ' ')}`, async (t) => {
    await t.throwsAsync(serve(t, block('.', lines)), { code: 'DNS_COREFILE_DIRECTIVE' })
  })
}

test('taken as CoreDNS takes it', async (t) => {
  const lines = [
    'root /nonexistent',
    'view any {\n }',
    'hosts {\n  10.0.0.300 x\n  no_reverse x\n }',
    'whoami',
  ]
  const { port } = await serve(t, block('.', ...lines))
  t.is((await ask(port, '1.0.0.10.in-addr.arpa.', Type.PTR))?.rcode, Rcode.NOERROR)
  t.notThrows(() => loadCorefile({ text: block('.', ...lines) }))
})
