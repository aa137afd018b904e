/** loadbalance, cache policies, forward's newer options, hosts, errors, erratic, pprof, multisocket. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseCorefile } from '../../../dns/corefile/parse.ts'
import { workersOf } from '../../../dns/plugins/multisocket/setup.ts'
import { encodeMessage, Rcode, Type } from '../../../dns/wire/index.ts'
import { testDirectory, waitUntil } from '../../support/index.ts'
import {
  a,
  always,
  ask,
  dig,
  nxdomain,
  queryFor,
  sendUdp,
  serve,
  soa,
  stubUpstream,
} from '../support/index.ts'

const block = (...lines: string[]): string => `. {\n bind 127.0.0.1\n errors\n ${lines.join('\n ')}\n}`
const addressesOf = async (port: number, name: string): Promise<string[]> =>
  ((await ask(port, name, Type.A))?.answer ?? []).map((record) =>
    record.kind === 'address' ? record.address : '',
  )

test('loadbalance weighted: the first address by weight, the file read again', async (t) => {
  const file = join(testDirectory(t, 'weights'), 'weights')
  writeFileSync(file, '# weights\nx.example\n192.0.2.1 255\n192.0.2.2 1\n')
  const hosts = 'hosts /nonexistent {\n 192.0.2.1 x.example\n 192.0.2.2 x.example\n 192.0.2.3 y.example\n }'
  const { port, lines } = await serve(t, block(`loadbalance weighted ${file} {\n reload 100ms\n }`, hosts))
  const firsts = async (): Promise<number> => {
    let count = 0
    for (let i = 0; i < 60; i += 1) if ((await addressesOf(port, 'x.example.'))[0] === '192.0.2.1') count += 1
    return count
  }
  // 255 to 1: that fewer than 40 of 60 begin with it does not happen.
  t.true((await firsts()) > 40)
  t.deepEqual(await addressesOf(port, 'y.example.'), ['192.0.2.3'])
  writeFileSync(file, 'x.example\n192.0.2.1 1\n192.0.2.2 255\n')
  await waitUntil(async () => (await firsts()) < 20)
  writeFileSync(file, 'x.example\n192.0.2.1 0\n')
  await waitUntil(() => lines.some((line) => line.includes('the weights stay as they were')))
  t.true((await firsts()) < 20)
})

test('loadbalance prefer: addresses of a network first, the rest shuffled', async (t) => {
  const all = ['192.0.2.1', '10.0.0.1', '192.0.2.2', '10.0.0.2']
  const hosts = `hosts /nonexistent {\n${all.map((address) => `${address} x.example\n`).join('')}}`
  const { port } = await serve(t, block('loadbalance {\n prefer 10.0.0.0/8\n }', hosts))
  const seen = new Set<string>()
  for (let i = 0; i < 60; i += 1) {
    const given = await addressesOf(port, 'x.example.')
    t.deepEqual([...given].sort(), [...all].sort())
    t.true(given.slice(0, 2).every((address) => address.startsWith('10.')))
    seen.add(given.join())
  }
  t.true(seen.size > 1)
  for (const [line, message] of [
    ['loadbalance weighted', /needs a weight file/],
    ['loadbalance least', /round_robin or weighted/],
    ['loadbalance {\n prefer 10.0.0.0\n }', /no network/],
    ['loadbalance weighted /nonexistent {\n reload 0s\n }', /ENOENT/],
  ] as const)
    await t.throwsAsync(serve(t, block(line)), { message })
})

const short = (stale: string): string =>
  `cache 1 {\n success 1024 1 1\n denial 1024 1 1\n servfail 1s\n ${stale}\n }`
const expired = async (port: number, name: string): Promise<void> => {
  // The item is one second old or older: the cache says so by asking again.
  await waitUntil(async () => ((await ask(port, name, Type.A))?.answer[0]?.ttl ?? 0) !== 1)
}

test('cache serve_stale verify: stale only while the upstream has nothing; TTL of stale answers', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const { port } = await serve(
    t,
    block(short('serve_stale 1h verify 0 30s'), `forward . 127.0.0.1:${upstream.port} {\n max_fails 0\n }`),
  )
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  upstream.script = () => ({ rcode: Rcode.SERVFAIL })
  await waitUntil(async () => (await ask(port, 'x.example.', Type.A))?.answer[0]?.ttl === 30)
  upstream.script = always('192.0.2.2')
  await waitUntil(async () => (await addressesOf(port, 'x.example.'))[0] === '192.0.2.2')
  // What the upstream denies is no longer served.
  upstream.script = nxdomain
  await waitUntil(async () => (await ask(port, 'x.example.', Type.A))?.rcode === Rcode.NXDOMAIN)
  t.pass()
})

test('cache serve_stale verify with a timeout: the stale answer, then the late one', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const { port } = await serve(
    t,
    block(
      short('serve_stale 1h verify 50ms'),
      `forward . 127.0.0.1:${upstream.port} {\n max_fails 0\n read_timeout 5s\n }`,
    ),
  )
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  const gate = Promise.withResolvers<void>()
  upstream.script = async (query) => {
    await gate.promise
    return always('192.0.2.2')(query, 'udp')
  }
  await expired(port, 'x.example.')
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  gate.resolve()
  await waitUntil(async () => (await addressesOf(port, 'x.example.'))[0] === '192.0.2.2')
})

test('cache serve_stale_policy prefer_positive: a denial does not hide an answer', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const { port } = await serve(
    t,
    block(
      short('serve_stale 1h verify\n serve_stale_policy prefer_positive'),
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  upstream.script = nxdomain
  await waitUntil(async () => (await ask(port, 'x.example.', Type.A))?.answer[0]?.ttl === 0)
  upstream.script = () => ({ authority: [soa('example.')] })
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  upstream.script = always('192.0.2.2')
  await waitUntil(async () => (await addressesOf(port, 'x.example.'))[0] === '192.0.2.2')
  await t.throwsAsync(serve(t, block('cache {\n serve_stale_policy prefer_positive\n }')), {
    message: /needs serve_stale/,
  })
  await t.throwsAsync(serve(t, block('cache {\n serve_stale 1h immediate 1500ms\n }')), {
    message: /whole seconds/,
  })
})

test('forward: names as upstreams, resolver, source_address, metadata', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const resolver = await stubUpstream(t, (query) => {
    const [question] = query.questions
    return question?.name === 'dns.upstream.test.' && question.type === Type.A
      ? { answer: [a('dns.upstream.test.', '127.0.0.1')] }
      : {}
  })
  const { port, lines } = await serve(
    t,
    block(
      'metadata',
      'log . "to {/forward/upstream}"',
      `forward . dns.upstream.test:${upstream.port} {\n resolver 127.0.0.1:${resolver.port}\n source_address 127.0.0.7\n }`,
    ),
  )
  t.deepEqual(await addressesOf(port, 'x.example.'), ['192.0.2.1'])
  await waitUntil(() => lines.some((line) => line.includes(`to 127.0.0.1:${upstream.port}`)))
  await t.throwsAsync(serve(t, block('forward . nowhere')), { message: /neither an IP address nor a file/ })
})

test('forward: a name without an address is tried again', async (t) => {
  const resolver = await stubUpstream(t, () => ({ rcode: Rcode.NXDOMAIN }))
  const { port, lines } = await serve(
    t,
    block(`forward . dns.upstream.test {\n resolver 127.0.0.1:${resolver.port}\n }`),
  )
  t.is((await ask(port, 'x.example.', Type.A))?.rcode, Rcode.SERVFAIL)
  t.true(lines.some((line) => line.includes('upstreams have no address now')))
})

test('hosts fallthrough_unsupported', async (t) => {
  const upstream = await stubUpstream(t, (query) => ({
    answer: query.questions.map(({ name, type }) => ({
      kind: 'text',
      name,
      type,
      class: 1,
      ttl: 5,
      texts: ['upstream'],
    })),
  }))
  const forward = `forward . 127.0.0.1:${upstream.port}`
  const hosts = (more: string): string => `hosts /nonexistent {\n 192.0.2.1 x.example\n ${more}\n }`
  const plain = await serve(t, block(hosts('fallthrough'), forward))
  t.like(await dig(plain.port, 'x.example', 'TXT'), { status: 'NOERROR', answer: [] })
  const through = await serve(t, block(hosts('fallthrough\n fallthrough_unsupported'), forward))
  t.deepEqual((await dig(through.port, 'x.example', 'TXT')).answer, ['x.example. 5 TXT "upstream"'])
  t.like(await dig(through.port, 'x.example', 'AAAA'), { status: 'NOERROR', answer: [] })
})

test('errors consolidate: counted, summed up, the first shown if wanted; several patterns', async (t) => {
  const errors = (...lines: string[]): string =>
    `. {\n bind 127.0.0.1\n errors {\n ${lines.join('\n ')}\n }\n template IN MX . {\n rcode NXDOMAIN\n }\n}`
  const { port, lines, dns } = await serve(
    t,
    errors('consolidate 1h "no next plugin" warning show_first', 'consolidate 1h never info'),
  )
  for (let i = 0; i < 4; i += 1) await dig(port, `n${i}.example`, 'A')
  const about = (): string[] => lines.filter((line) => line.includes('no next plugin'))
  t.is(about().length, 1)
  t.is(about().filter((line) => line.includes('"level":40')).length, 1)
  await dns.stop({ lameduck: false })
  t.is(
    about().filter((line) => line.includes("4 errors like 'no next plugin' occurred in last 1h0m0s")).length,
    1,
  )
  for (const [line, message] of [
    ['consolidate 1h', /needs at least 2 arguments/],
    ['consolidate soon x', /no duration/],
    ['consolidate 1s "("', /no regular expression/],
    ['consolidate 1s x loud', /neither a level nor show_first/],
    [`consolidate 1s ${'x'.repeat(10_001)}`, /longer than 10000/],
  ] as const)
    await t.throwsAsync(serve(t, errors(line)), { message })
})

test('erratic: drops, truncates, delays; other types', async (t) => {
  const dropping = await serve(t, block('erratic'))
  t.is(await sendUdp(dropping.port, encodeMessage(queryFor('x.', Type.A)), 300), undefined)
  t.is((await ask(dropping.port, 'x.', Type.A))?.answer.length, 1)
  const cut = await serve(t, block('erratic {\n truncate 2\n delay 2 10ms\n large\n }'))
  t.true((await ask(cut.port, 'x.', Type.A))?.truncated)
  const whole = await dig(cut.port, 'x', 'A', '+tcp')
  t.is(whole.answer.length, 30)
  t.false(whole.flags.includes('tc'))
  t.true((await ask(cut.port, 'x.', Type.A))?.truncated)
  t.is((await ask(cut.port, 'x.', Type.TXT))?.rcode, Rcode.SERVFAIL)
})

test('pprof: profiles, sizes, delays of the event loop', async (t) => {
  const { dns } = await serve(t, block('pprof 127.0.0.1:0 {\n block\n }', 'whoami'))
  const get = async (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${dns.httpPort('127.0.0.1:0')}/debug/pprof/${path}`)
  t.regex(await (await get('')).text(), /profile\?seconds=30/)
  const profile = (await (await get('profile?seconds=0.2')).json()) as {
    nodes: unknown[]
    samples: unknown[]
  }
  t.true(profile.nodes.length > 0)
  t.true(profile.samples.length > 0)
  t.true('head' in ((await (await get('heap?seconds=0.1')).json()) as object))
  t.true('process' in ((await (await get('memory')).json()) as object))
  t.true('p99' in ((await (await get('block')).json()) as object))
  t.is((await get('profile?seconds=x')).status, 400)
})

test('multisocket: how many processes; what wants to be alone', (t) => {
  const processes = (...lines: string[]): number | undefined =>
    workersOf(parseCorefile(block(...lines), 'Corefile'))
  t.is(processes('whoami'), undefined)
  t.is(processes('multisocket 3', 'whoami'), 3)
  t.is(processes('secondary example.org {\n transfer from 192.0.2.1\n }'), 1)
  t.is(processes('sign db example.org {\n key directory .\n }'), 1)
  t.is(processes('dnstap listen /socket'), 1)
  t.is(processes('dnstap /socket'), undefined)
  t.is(processes('multisocket 2', 'secondary example.org {\n transfer from 192.0.2.1\n }'), 2)
})
