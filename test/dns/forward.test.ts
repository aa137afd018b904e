import test from 'ava'
import { makePolicy } from '../../dns/plugins/forward/policy.ts'
import { Rcode, Type } from '../../dns/wire/index.ts'
import { waitUntil } from '../support/index.ts'
import { a, always, ask, dig, nxdomain, serve, soa, stubUpstream } from './support/index.ts'

const block = (lines: string): string => `. {\n bind 127.0.0.1\n errors\n ${lines}\n}`
const addressOf = async (port: number, name: string): Promise<string> => {
  const record = (await ask(port, name, Type.A))?.answer[0]
  return record?.kind === 'address' ? record.address : ''
}

test.serial('passes the query on and the answer back: flags, rcode, records, letter case', async (t) => {
  const upstream = await stubUpstream(t, (query) => ({
    authoritative: true,
    authenticData: true,
    answer: query.questions.map(({ name }) => a(name, '192.0.2.1', 77)),
  }))
  const { port } = await serve(t, block(`forward . 127.0.0.1:${upstream.port}`))
  const said = await dig(port, 'WwW.Example.ORG', 'A')
  t.deepEqual(said.answer, ['WwW.Example.ORG. 77 A 192.0.2.1'])
  t.true(['aa', 'ra', 'ad', 'rd'].every((flag) => said.flags.includes(flag)))
  t.is(upstream.asked[0]?.name, 'WwW.Example.ORG.')
  upstream.script = nxdomain
  const missing = await dig(port, 'none.example', 'A')
  t.is(missing.status, 'NXDOMAIN')
  t.regex(missing.authority[0] ?? '', /^example\. 60 SOA/)
})

test.serial('FROM, except, and several forwards in the order of the file', async (t) => {
  const one = await stubUpstream(t, always('192.0.2.1'))
  const two = await stubUpstream(t, always('192.0.2.2'))
  const { port } = await serve(
    t,
    block(
      `forward example.org 127.0.0.1:${one.port} {\n  except not.example.org\n }\n forward . 127.0.0.1:${two.port}`,
    ),
  )
  t.is(await addressOf(port, 'a.example.org.'), '192.0.2.1')
  t.is(await addressOf(port, 'a.not.example.org.'), '192.0.2.2')
  t.is(await addressOf(port, 'example.com.'), '192.0.2.2')
})

test.serial('policies: the order in which upstreams are tried', (t) => {
  const turns = (policy: 'sequential' | 'round_robin' | 'random', count: number): string[] => {
    const order = makePolicy(policy, ['a', 'b', 'c'])
    return Array.from({ length: count }, () => order().join(''))
  }
  t.deepEqual(turns('sequential', 3), ['abc', 'abc', 'abc'])
  t.deepEqual(turns('round_robin', 4), ['abc', 'bca', 'cab', 'abc'])
  const random = turns('random', 300)
  t.is(new Set(random).size, 6)
  t.true(random.every((order) => [...order].sort().join('') === 'abc'))
})

test.serial('policies over the wire: random uses every upstream', async (t) => {
  const stubs = await Promise.all(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => stubUpstream(t, always(address))),
  )
  const { port } = await serve(
    t,
    block(`forward . ${stubs.map((stub) => `127.0.0.1:${stub.port}`).join(' ')}`),
  )
  const seen = new Set<string>()
  for (let i = 0; i < 40; i += 1) seen.add(await addressOf(port, `n${i}.example.`))
  t.deepEqual([...seen].sort(), ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
})

test.serial('an upstream that says nothing: the next is asked, no query fails', async (t) => {
  const dead = await stubUpstream(t, () => undefined)
  const good = await stubUpstream(t, always('192.0.2.2'))
  const { port, metrics } = await serve(
    t,
    block(
      `forward . 127.0.0.1:${dead.port} 127.0.0.1:${good.port} {\n  policy sequential\n  max_fails 1\n  health_check 200ms\n  read_timeout 1s\n }`,
    ),
  )
  for (let i = 0; i < 6; i += 1) t.is(await addressOf(port, `n${i}.example.`), '192.0.2.2')
  // It is down now: it hears probes, and no queries any more.
  await waitUntil(() => dead.asked.filter(({ type }) => type === Type.NS).length > 2)
  const before = dead.asked.filter(({ type }) => type === Type.A).length
  for (let i = 0; i < 5; i += 1) t.is(await addressOf(port, `m${i}.example.`), '192.0.2.2')
  t.is(dead.asked.filter(({ type }) => type === Type.A).length, before)
  t.regex(
    await metrics.metrics(),
    new RegExp(
      `coredns_proxy_healthcheck_failures_total\\{proxy_name="forward",to="127.0.0.1:${dead.port}"\\} [1-9]`,
    ),
  )
  // And it comes back with its first answer to a probe.
  dead.script = always('192.0.2.1')
  await waitUntil(async () => (await addressOf(port, 'back.example.')) === '192.0.2.1')
})

test.serial('a lost packet costs less than the read timeout', async (t) => {
  let count = 0
  const flaky = await stubUpstream(t, (query) =>
    count++ % 2 === 0 ? undefined : always('192.0.2.1')(query, 'udp'),
  )
  const good = await stubUpstream(t, always('192.0.2.2'))
  const { port } = await serve(
    t,
    block(`forward . 127.0.0.1:${flaky.port} 127.0.0.1:${good.port} {\n  max_fails 1\n  read_timeout 5s\n }`),
  )
  const said = await Promise.all(Array.from({ length: 40 }, (_, i) => dig(port, `n${i}.example`, 'A')))
  t.deepEqual(new Set(said.map((answer) => answer.status)), new Set(['NOERROR']))
})

test.serial('no upstream answers: SERVFAIL and one line of log', async (t) => {
  const dead = await stubUpstream(t, () => undefined)
  const { port, lines } = await serve(t, block(`forward . 127.0.0.1:${dead.port} {\n  read_timeout 50ms\n }`))
  t.is((await dig(port, 'x.example', 'A')).status, 'SERVFAIL')
  t.true(
    lines.some((line) =>
      /plugin\/errors: 2 x\.example\. A: plugin\/forward: no answer from 127\.0\.0\.1/.test(line),
    ),
    lines.join(''),
  )
  const closed = await serve(t, block('forward . 127.0.0.1:9'))
  t.is((await dig(closed.port, 'x.example', 'A')).status, 'SERVFAIL')
})

test.serial('answers to another question are not believed', async (t) => {
  const upstream = await stubUpstream(t, () => ({
    questions: [{ name: 'evil.example.', type: 1, class: 1 }],
    answer: [a('x.example.', '6.6.6.6')],
  }))
  const { port } = await serve(t, block(`forward . 127.0.0.1:${upstream.port} {\n  read_timeout 100ms\n }`))
  t.is((await dig(port, 'x.example', 'A')).status, 'SERVFAIL')
})

test.serial('transport follows the client; force_tcp, prefer_udp and truncated answers', async (t) => {
  const upstream = await stubUpstream(t, (query, transport) =>
    transport === 'udp' ? { truncated: true, answer: [] } : always('192.0.2.1')(query, 'tcp'),
  )
  const last = (): string => upstream.asked.at(-1)?.transport ?? ''
  const plain = await serve(t, block(`forward . 127.0.0.1:${upstream.port}`))
  const cut = await ask(plain.port, 'a.example.', Type.A)
  t.true(cut?.truncated)
  t.is(last(), 'udp')
  t.is((await dig(plain.port, 'a.example', 'A', '+tcp')).answer.length, 1)
  t.is(last(), 'tcp')
  const tcp = await serve(t, block(`forward . 127.0.0.1:${upstream.port} {\n  force_tcp\n }`))
  for (let i = 0; i < 10; i += 1) t.is(await addressOf(tcp.port, `b${i}.example.`), '192.0.2.1')
  const before = upstream.asked.length
  const prefer = await serve(t, block(`forward . 127.0.0.1:${upstream.port} {\n  prefer_udp\n }`))
  t.is(await addressOf(prefer.port, 'c.example.'), '192.0.2.1')
  t.deepEqual(
    upstream.asked.slice(before).map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
  t.true(upstream.connections() <= 3)
})

test.serial('max_concurrent refuses what is too much', async (t) => {
  const gate = Promise.withResolvers<void>()
  const upstream = await stubUpstream(t, async (query) => {
    await gate.promise
    return always('192.0.2.1')(query, 'udp')
  })
  const { port, metrics } = await serve(
    t,
    block(`forward . 127.0.0.1:${upstream.port} {\n  max_concurrent 2\n  read_timeout 5s\n }`),
  )
  const codes: (number | undefined)[] = []
  const asking = Array.from({ length: 5 }, async (_, i) => {
    codes.push((await ask(port, `n${i}.example.`, Type.A))?.rcode)
    // The two that went through wait until the other three are refused.
    if (codes.length === 3) gate.resolve()
  })
  await Promise.all(asking)
  t.deepEqual(codes, [Rcode.REFUSED, Rcode.REFUSED, Rcode.REFUSED, 0, 0])
  t.regex(await metrics.metrics(), /coredns_forward_max_concurrent_rejects_total 3/)
  t.is(await addressOf(port, 'later.example.'), '192.0.2.1')
})

test.serial('failover and next', async (t) => {
  const refusing = await stubUpstream(t, () => ({ rcode: Rcode.REFUSED }))
  const empty = await stubUpstream(t, nxdomain)
  const good = await stubUpstream(t, always('192.0.2.2'))
  const failover = await serve(
    t,
    block(
      `forward . 127.0.0.1:${refusing.port} 127.0.0.1:${good.port} {\n  policy sequential\n  failover REFUSED\n }`,
    ),
  )
  t.is(await addressOf(failover.port, 'a.example.'), '192.0.2.2')
  const next = await serve(
    t,
    block(`forward . 127.0.0.1:${empty.port} {\n  next NXDOMAIN\n }\n forward . 127.0.0.1:${good.port}`),
  )
  t.is(await addressOf(next.port, 'a.example.'), '192.0.2.2')
  const nodata = await stubUpstream(t, () => ({ authority: [soa('example.')] }))
  const nextNoData = await serve(
    t,
    block(`forward . 127.0.0.1:${nodata.port} {\n  next_on_nodata\n }\n forward . 127.0.0.1:${good.port}`),
  )
  t.is(await addressOf(nextNoData.port, 'a.example.'), '192.0.2.2')
})
