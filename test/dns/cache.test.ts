import test from 'ava'
import { type Message, Rcode, type ResourceRecord, Type } from '../../dns/wire/index.ts'
import { sleep, waitUntil } from '../support/index.ts'
import {
  a,
  always,
  ask,
  dig,
  nxdomain,
  type Script,
  type Stub,
  serve,
  soa,
  stubUpstream,
} from './support/index.ts'

async function cached(
  t: Parameters<typeof serve>[0],
  script: Script,
  options = '30',
  readTimeout = '5s',
): Promise<{ port: number; upstream: Stub; text: () => Promise<string> }> {
  const upstream = await stubUpstream(t, script)
  const { port, metrics } = await serve(
    t,
    `. {\n bind 127.0.0.1\n cache ${options}\n forward . 127.0.0.1:${upstream.port} {\n  read_timeout ${readTimeout}\n }\n}`,
  )
  return { port, upstream, text: () => metrics.metrics() }
}

const ns = (zone: string, target: string): ResourceRecord => ({
  kind: 'target',
  name: zone,
  type: Type.NS,
  class: 1,
  ttl: 20,
  target,
})

/** What is asked twice, how often the upstream hears it, and the TTL of the second answer's records. */
const rows: [title: string, script: Script, upstreamAsked: number, ttl?: number][] = [
  ['an answer', always('192.0.2.1', 300), 1, 30],
  ['a short TTL counts', always('192.0.2.1', 17), 1, 17],
  ['but at least five seconds', always('192.0.2.1', 1), 1, 5],
  ['TTL 0 as well', always('192.0.2.1', 0), 1, 5],
  [
    'the smallest TTL of all sections counts for all',
    () => ({ answer: [a('x.example.', '192.0.2.1', 25)], authority: [ns('example.', 'ns.example.')] }),
    1,
    20,
  ],
  ['NXDOMAIN with SOA', nxdomain, 1, 30],
  ['NODATA with SOA', () => ({ authority: [soa('example.', 9)] }), 1, 9],
  ['empty NOERROR without SOA', () => ({}), 1],
  ['SERVFAIL', () => ({ rcode: Rcode.SERVFAIL }), 1],
  ['NXDOMAIN without SOA is not kept', () => ({ rcode: Rcode.NXDOMAIN }), 2],
  ['REFUSED is not kept', () => ({ rcode: Rcode.REFUSED }), 2],
  ['FORMERR is not kept', () => ({ rcode: Rcode.FORMERR }), 2],
  ['truncated answers are not kept', () => ({ truncated: true, answer: [a('x.example.', '192.0.2.1')] }), 2],
  [
    'a CNAME that leads nowhere is not kept',
    () => ({
      answer: [
        { kind: 'target', name: 'x.example.', type: Type.CNAME, class: 1, ttl: 9, target: 'y.example.' },
      ],
    }),
    2,
  ],
  [
    'a CNAME with its target is',
    () => ({
      answer: [
        { kind: 'target', name: 'x.example.', type: Type.CNAME, class: 1, ttl: 9, target: 'y.example.' },
        a('y.example.', '192.0.2.1'),
      ],
    }),
    1,
    9,
  ],
]
for (const [title, script, times, ttl] of rows) {
  test.serial(`what is kept: ${title}`, async (t) => {
    const { port, upstream } = await cached(t, script)
    const first = await ask(port, 'x.example.', Type.A)
    const second = await ask(port, 'X.example.', Type.A)
    t.is(upstream.asked.length, times)
    t.is(second?.rcode, first?.rcode)
    t.deepEqual(kinds(second), kinds(first))
    if (ttl === undefined) return
    for (const said of [first, second]) {
      for (const record of [...(said?.answer ?? []), ...(said?.authority ?? [])])
        t.true(record.ttl === ttl || record.ttl === ttl - 1, `${record.ttl}`)
    }
  })
}

function kinds(said: Message | undefined): unknown {
  return [said?.answer, said?.authority].map((section) => section?.map(({ type }) => type))
}

test.serial('letter case, id, RD and OPT of each client; DO and CD are other entries', async (t) => {
  const { port, upstream } = await cached(t, always('192.0.2.1'))
  t.deepEqual((await dig(port, 'x.example', 'A')).answer, ['x.example. 30 A 192.0.2.1'])
  t.regex((await dig(port, 'X.eXample', 'A', '+noedns', '+norec')).answer[0] ?? '', /^X\.eXample\. /)
  t.is(upstream.asked.length, 1)
  await dig(port, 'x.example', 'A', '+dnssec')
  await dig(port, 'x.example', 'A', '+cdflag')
  t.is(upstream.asked.length, 3)
  const plain = await ask(port, 'x.example.', Type.A, { id: 7 })
  t.is(plain?.id, 7)
  t.is(plain?.edns, undefined)
  const withOpt = await ask(port, 'x.example.', Type.A, {
    edns: { udpSize: 999, version: 0, dnssecOk: false, options: [] },
  })
  t.is(withOpt?.edns?.udpSize, 999)
  t.is(upstream.asked.length, 3)
})

test.serial('AA of the original answer is kept; AD only for those who know it', async (t) => {
  const { port } = await cached(t, (query) => ({
    authenticData: true,
    authoritative: false,
    answer: query.questions.map(({ name }) => a(name, '192.0.2.1')),
  }))
  await ask(port, 'x.example.', Type.A)
  const plain = await ask(port, 'x.example.', Type.A)
  t.false(plain?.authoritative)
  t.false(plain?.authenticData)
  t.true((await ask(port, 'x.example.', Type.A, { authenticData: true }))?.authenticData)
})

test.serial('the TTL counts down; keepttl keeps it', async (t) => {
  const down = await cached(t, always('192.0.2.1', 20))
  const kept = await cached(t, always('192.0.2.1', 20), '30 {\n  keepttl\n }')
  await Promise.all([ask(down.port, 'x.example.', Type.A), ask(kept.port, 'x.example.', Type.A)])
  await sleep(1100)
  t.true(((await ask(down.port, 'x.example.', Type.A))?.answer[0]?.ttl ?? 99) < 20)
  t.is((await ask(kept.port, 'x.example.', Type.A))?.answer[0]?.ttl, 20)
  t.is(down.upstream.asked.length, 1)
})

test.serial('queries that miss together are one query upstream', async (t) => {
  const { port, upstream, text } = await cached(t, async (query) => {
    await sleep(100)
    return always('192.0.2.1')(query, 'udp')
  })
  const said = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ask(port, 'x.example.', Type.A, { id: i })),
  )
  t.deepEqual(
    said.map((reply) => reply?.id),
    said.map((_, i) => i),
  )
  t.true(said.every((reply) => reply?.answer.length === 1))
  t.is(upstream.asked.length, 1)
  await ask(port, 'x.example.', Type.A)
  t.regex(
    await text(),
    /coredns_cache_hits_total\{server="dns:\/\/127\.0\.0\.1:0",type="success",zones="\.",view=""\} 1\n/,
  )
  t.regex(
    await text(),
    /coredns_cache_misses_total\{server="dns:\/\/127\.0\.0\.1:0",zones="\.",view=""\} 20\n/,
  )
  t.regex(
    await text(),
    /coredns_cache_entries\{server="dns:\/\/127\.0\.0\.1:0",type="success",zones="\.",view=""\} 1\n/,
  )
})

test.serial('zones and disable', async (t) => {
  const zones = await cached(t, always('192.0.2.1'), '30 example.org')
  for (let i = 0; i < 2; i += 1) {
    await ask(zones.port, 'a.example.org.', Type.A)
    await ask(zones.port, 'a.example.com.', Type.A)
  }
  t.is(zones.upstream.asked.length, 3)
  const disabled = await cached(t, nxdomain, '30 {\n  disable denial\n }')
  for (let i = 0; i < 3; i += 1) await ask(disabled.port, 'a.example.', Type.A)
  t.is(disabled.upstream.asked.length, 3)
})

test.serial('capacity: old names go first', async (t) => {
  const { port, upstream, text } = await cached(t, always('192.0.2.1'), '30 {\n  success 1024\n }')
  for (let i = 0; i < 1100; i += 50)
    await Promise.all(Array.from({ length: 50 }, (_, j) => ask(port, `n${i + j}.example.`, Type.A)))
  t.regex(await text(), /coredns_cache_entries\{[^}]*type="success"[^}]*\} 1024\n/)
  t.regex(await text(), /coredns_cache_evictions_total\{[^}]*type="success"[^}]*\} 76\n/)
  const before = upstream.asked.length
  await ask(port, 'n1099.example.', Type.A)
  t.is(upstream.asked.length, before)
  await ask(port, 'n0.example.', Type.A)
  t.is(upstream.asked.length, before + 1)
})

test.serial('prefetch asks again before a popular answer expires', async (t) => {
  const { port, upstream } = await cached(t, always('192.0.2.1', 5), '30 {\n  prefetch 2 1m 50%\n }')
  for (let i = 0; i < 4; i += 1) await ask(port, 'x.example.', Type.A)
  t.is(upstream.asked.length, 1)
  await sleep(2200)
  t.is((await ask(port, 'x.example.', Type.A))?.answer.length, 1)
  await waitUntil(() => upstream.asked.length === 2)
  await waitUntil(async () => (await ask(port, 'x.example.', Type.A))?.answer[0]?.ttl === 5)
  t.is(upstream.asked.length, 2)
})

test.serial(
  'serve_stale: the old answer with TTL 0 while the upstream is away, the new one after',
  async (t) => {
    const { port, upstream, text } = await cached(
      t,
      always('192.0.2.1', 1),
      '1 {\n  success 1024 1 1\n  serve_stale 1h immediate\n }',
      '300ms',
    )
    await ask(port, 'x.example.', Type.A)
    upstream.script = () => undefined
    await sleep(1100)
    const stale = await ask(port, 'x.example.', Type.A, {
      edns: { udpSize: 1232, version: 0, dnssecOk: false, options: [] },
    })
    t.is(stale?.answer[0]?.ttl, 0)
    t.deepEqual(
      stale?.edns?.options.map(({ code, data }) => [code, [...data]]),
      [[15, [0, 3]]],
    )
    t.regex(await text(), /coredns_cache_served_stale_total\{[^}]*\} 1\n/)
    upstream.script = always('192.0.2.9', 300)
    await waitUntil(async () => {
      const record = (await ask(port, 'x.example.', Type.A))?.answer[0]
      return record?.kind === 'address' && record.address === '192.0.2.9'
    })
  },
)
