/** acl, any, bufsize, chaos, local, minimal, nsid, whoami. */
import { hostname } from 'node:os'
import test from 'ava'
import { loadCorefile } from '#dns'
import { Rcode, Type } from '../../dns/wire/index.ts'
import { a, ask, dig, serve, stubUpstream } from './support/index.ts'

const block = (lines: string): string =>
  `. {\n bind 127.0.0.1\n ${lines}\n hosts /nonexistent {\n  192.0.2.1 x.example\n }\n}`
const edns = { udpSize: 4096, version: 0, dnssecOk: false, options: [] }

test('any', async (t) => {
  const { port } = await serve(t, block('any'))
  t.deepEqual((await dig(port, 'x.example', 'ANY', '+notcp')).answer, [
    'x.example. 8482 HINFO "ANY obsoleted" "See RFC 8482"',
  ])
  t.is((await dig(port, 'x.example', 'A')).answer.length, 1)
})

test('acl: the first line that matches decides; also in front of the cache', async (t) => {
  const lines =
    'cache\n acl blocked.example {\n  block\n }\n acl filtered.example {\n  filter type AAAA net 127.0.0.0/8\n }\n acl allowed.example {\n  allow net 127.0.0.1\n  block\n }\n acl other.example {\n  block net 192.0.2.0/24 10.0.0.0/7 fd00::/8\n }\n acl dropped.example {\n  drop\n }'
  const upstream = await stubUpstream(t, (query) => ({
    answer: query.questions.map(({ name }) => a(name, '192.0.2.1')),
  }))
  const { port, metrics } = await serve(
    t,
    `. {\n bind 127.0.0.1\n ${lines}\n forward . 127.0.0.1:${upstream.port}\n}`,
  )
  const blocked = await ask(port, 'x.blocked.example.', Type.A, { edns })
  t.is(blocked?.rcode, Rcode.REFUSED)
  t.deepEqual(
    blocked?.edns?.options.map(({ code, data }) => [code, ...data]),
    [[15, 0, 15]],
  )
  const filtered = await ask(port, 'x.filtered.example.', Type.AAAA, { edns })
  t.is(filtered?.rcode, Rcode.NOERROR)
  t.deepEqual(
    filtered?.edns?.options.map(({ code, data }) => [code, ...data]),
    [[15, 0, 17]],
  )
  t.is((await ask(port, 'x.filtered.example.', Type.A))?.answer.length, 1)
  t.is((await ask(port, 'x.allowed.example.', Type.A))?.answer.length, 1)
  t.is((await ask(port, 'x.other.example.', Type.A))?.answer.length, 1)
  t.is((await dig(port, 'x.dropped.example', 'A', '+time=1')).status, 'NONE')
  t.regex(
    await metrics.metrics(),
    /coredns_acl_blocked_requests_total\{server="dns:\/\/127\.0\.0\.1:0",zone="\.",view=""\} 1\n/,
  )
  t.throws(() => loadCorefile({ text: '. {\n acll\n}' }), { message: /did you mean 'acl'/ })
})

test('bufsize lowers what a client announces', async (t) => {
  const many = Array.from({ length: 80 }, (_, i) => `10.0.0.${i} big.example`).join('\n  ')
  const { port } = await serve(
    t,
    `. {\n bind 127.0.0.1\n bufsize 600\n hosts /nonexistent {\n  ${many}\n }\n}`,
  )
  const cut = await ask(port, 'big.example.', Type.A, { edns })
  t.true(cut?.truncated)
  t.true((cut?.answer.length ?? 0) > 25 && (cut?.answer.length ?? 99) < 40)
  t.is((await dig(port, 'big.example', 'A', '+tcp')).answer.length, 80)
})

test('bufsize lowers what upstreams and clients are told', async (t) => {
  let told: number | undefined
  const upstream = await stubUpstream(t, (query) => {
    told = query.edns?.udpSize
    return { answer: [a('x.example.', '192.0.2.1')] }
  })
  const { port } = await serve(
    t,
    `. {\n bind 127.0.0.1\n bufsize 600\n forward . 127.0.0.1:${upstream.port}\n}`,
  )
  t.is((await ask(port, 'x.example.', Type.A, { edns }))?.edns?.udpSize, 600)
  t.is(told, 600)
  await ask(port, 'x.example.', Type.A, { edns: { ...edns, udpSize: 512 } })
  t.is(told, 512)
})

test('nsid only for those who ask', async (t) => {
  const { port } = await serve(t, block('nsid node one'))
  t.regex((await dig(port, 'x.example', 'A', '+nsid')).text, /NSID: .*\("node one"\)/)
  t.notRegex((await dig(port, 'x.example', 'A')).text, /NSID/)
})

test('chaos', async (t) => {
  const { port } = await serve(t, block('chaos v1 "The team"'))
  const text = async (name: string): Promise<string> => (await dig(port, name, 'TXT', 'CH')).text
  t.regex(await text('version.bind'), /CH\tTXT\t"v1"/)
  t.regex(await text('authors.bind'), /CH\tTXT\t"The team"/)
  t.true((await text('hostname.bind')).includes(`"${hostname()}"`))
})

test('local', async (t) => {
  const { port } = await serve(t, block('local'))
  t.deepEqual((await dig(port, 'localhost', 'A')).answer, ['localhost. 604800 A 127.0.0.1'])
  t.deepEqual((await dig(port, 'localhost', 'AAAA')).answer, ['localhost. 604800 AAAA ::1'])
  t.deepEqual((await dig(port, '1.0.0.127.in-addr.arpa', 'PTR')).answer, [
    '1.0.0.127.in-addr.arpa. 604800 PTR localhost.',
  ])
  t.is((await dig(port, '9.0.0.127.in-addr.arpa', 'PTR')).status, 'NXDOMAIN')
  t.is((await dig(port, 'localhost.example.org', 'A')).answer.length, 1)
  t.is((await dig(port, 'localhost', 'MX')).authority.length, 1)
})

test('minimal', async (t) => {
  const ns = {
    kind: 'target' as const,
    name: 'example.',
    type: Type.NS,
    class: 1,
    ttl: 9,
    target: 'ns.example.',
  }
  const upstream = await stubUpstream(t, (query) => ({
    answer: query.questions[0]?.name === 'x.example.' ? [a('x.example.', '192.0.2.1')] : [],
    authority: [ns],
    additional: [a('ns.example.', '192.0.2.2')],
  }))
  const { port } = await serve(t, `. {\n bind 127.0.0.1\n minimal\n forward . 127.0.0.1:${upstream.port}\n}`)
  const positive = await dig(port, 'x.example', 'A')
  t.deepEqual([positive.answer.length, positive.authority.length, positive.additional.length], [1, 0, 0])
  const delegation = await dig(port, 'y.example', 'A')
  t.deepEqual(
    [delegation.answer.length, delegation.authority.length, delegation.additional.length],
    [0, 1, 1],
  )
})

test('whoami', async (t) => {
  const { port } = await serve(t, '. {\n bind 127.0.0.1\n whoami\n}')
  const said = await dig(port, 'x.example', 'A', '+tcp')
  t.regex(said.additional.join('\n'), /^x\.example\. 0 A 127\.0\.0\.1\n_tcp\.x\.example\. 0 SRV 0 0 \d+ \.$/)
})
