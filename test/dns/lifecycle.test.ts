/** reload, loop, health, ready, prometheus, lameduck, errors, log, loadbalance, whoami, hosts. */

import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pino } from 'pino'
import { memorySource, Store } from '#watch'
import { Type } from '../../dns/wire/index.ts'
import { sleep, testDirectory, waitUntil } from '../support/index.ts'
import { always, ask, clusterOf, dig, freePort, nxdomain, serve, stubUpstream } from './support/index.ts'

const get = async (port: number | undefined, path: string): Promise<{ status: number; body: string }> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  return { status: response.status, body: await response.text() }
}

test.serial('reload: a changed file serves at once, and no query is lost meanwhile', async (t) => {
  const directory = testDirectory(t, 'reload')
  const file = join(directory, 'Corefile')
  const port = await freePort()
  const write = (address: string): void => {
    // As editors do it: a new file takes the place of the old.
    const temporary = join(mkdtempSync(join(directory, 'x')), 'new')
    writeFileSync(
      temporary,
      `.:${port} {\n bind 127.0.0.1\n reload 2s\n hosts /nonexistent {\n ${address} x.example\n }\n}\n`,
    )
    renameSync(temporary, file)
  }
  write('192.0.2.1')
  const { lines, dns } = await serve(t, file, { file: true })
  const seen = new Set<string>()
  const lost: number[] = []
  let going = true
  const asking = (async () => {
    for (let id = 1; going; id += 1) {
      const said = await ask(port, 'x.example.', Type.A, { id })
      const record = said?.answer[0]
      if (record?.kind === 'address') seen.add(record.address)
      else lost.push(id)
    }
  })()
  for (let i = 2; i <= 6; i += 1) {
    write(`192.0.2.${i}`)
    await waitUntil(() => seen.has(`192.0.2.${i}`), { what: `192.0.2.${i}` })
  }
  going = false
  await asking
  t.deepEqual(lost, [])
  t.is(lines.filter((line) => line.includes('reload complete')).length, 5)
  t.true(dns.health().ok)
})

test.serial('reload: a wrong file changes nothing, is reported with its line, and counted', async (t) => {
  const directory = testDirectory(t, 'reload')
  const file = join(directory, 'Corefile')
  const port = await freePort()
  const text = (extra: string): string =>
    `.:${port} {\n bind 127.0.0.1\n reload 2s\n health 127.0.0.1:0\n whoami\n ${extra}\n}\n`
  writeFileSync(file, text(''))
  const { lines, dns, metrics } = await serve(t, file, { file: true })
  writeFileSync(file, text('nonsense'))
  await waitUntil(() => lines.some((line) => line.includes(`${file}:6: unknown directive 'nonsense'`)))
  writeFileSync(file, text('forward . nowhere'))
  await waitUntil(() => lines.some((line) => line.includes(`${file}:6: plugin/forward`)))
  t.regex(await metrics.metrics(), /coredns_reload_failed_total [1-9]/)
  t.is((await get(dns.httpPort('127.0.0.1:0'), '/health')).status, 200)
  t.is((await dig(port, 'x', 'A')).status, 'NOERROR')
  writeFileSync(file, text('log'))
  await waitUntil(() => lines.some((line) => line.includes('reload complete')))
  t.is((await get(dns.httpPort('127.0.0.1:0'), '/health')).status, 200)
})

test.serial('reload keeps the cache when it is configured as before', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const file = join(testDirectory(t, 'reload'), 'Corefile')
  const port = await freePort()
  const text = (extra: string): string =>
    `.:${port} {\n bind 127.0.0.1\n cache 30\n forward . 127.0.0.1:${upstream.port}\n ${extra}\n}\n`
  writeFileSync(file, text(''))
  const { dns } = await serve(t, file, { file: true })
  await ask(port, 'x.example.', Type.A)
  writeFileSync(file, text('log'))
  t.true(await dns.reload())
  t.is((await ask(port, 'x.example.', Type.A))?.answer.length, 1)
  t.is(upstream.asked.length, 1)
})

test.serial('loop: found, told, what is forwarded fails, the rest goes on; it heals', async (t) => {
  const port = await freePort()
  const hosts = 'hosts /nonexistent local.example {\n 192.0.2.1 x.local.example\n }'
  const text = (to: number): string =>
    `.:${port} {\n bind 127.0.0.1\n loop\n ${hosts}\n forward . 127.0.0.1:${to}\n ready 127.0.0.1:0\n}\n`
  const file = join(testDirectory(t, 'loop'), 'Corefile')
  writeFileSync(file, text(port))
  const { lines, dns, metrics } = await serve(t, file, { file: true })
  await waitUntil(() => lines.some((line) => /Loop .* detected for zone/.test(line)))
  t.is((await dig(port, 'www.example', 'A')).status, 'SERVFAIL')
  t.is((await dig(port, 'x.local.example', 'A')).answer.length, 1)
  t.deepEqual(await get(dns.httpPort('127.0.0.1:0'), '/ready'), { status: 503, body: 'loop' })
  t.false(dns.health().ok)
  t.regex(await metrics.metrics(), /plexus_dns_loops_total\{zone="\."\} 1/)
  const upstream = await stubUpstream(t, nxdomain)
  writeFileSync(file, text(upstream.port))
  t.true(await dns.reload())
  await waitUntil(() => upstream.asked.some(({ type }) => type === Type.HINFO))
  t.is((await dig(port, 'www.example', 'A')).status, 'NXDOMAIN')
  t.true(dns.health().ok)
})

test.serial('health and ready; not ready before the cluster is there', async (t) => {
  const source = memorySource({ standalone: false })
  source.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'n', name: 's' },
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80, protocol: 'TCP' }] },
  })
  const store = new Store({ log: pino({ level: 'silent' }) })
  const { dns, port } = await serve(
    t,
    '. {\n bind 127.0.0.1\n health 127.0.0.1:0\n ready 127.0.0.1:00\n kubernetes cluster.local {\n  startup_timeout 50ms\n }\n}',
    { store },
  )
  t.deepEqual(await get(dns.httpPort('127.0.0.1:0'), '/health'), { status: 200, body: 'OK' })
  t.is((await get(dns.httpPort('127.0.0.1:0'), '/other')).status, 404)
  t.deepEqual(await get(dns.httpPort('127.0.0.1:00'), '/ready'), { status: 503, body: 'kubernetes' })
  t.is((await dig(port, 's.n.svc.cluster.local', 'A')).status, 'SERVFAIL')
  await store.run(source)
  await waitUntil(async () => (await get(dns.httpPort('127.0.0.1:00'), '/ready')).status === 200)
  t.is((await dig(port, 's.n.svc.cluster.local', 'A')).answer.length, 1)
  t.true(dns.health().ok)
  await store.close()
})

test.serial(
  'lameduck: not ready at once, healthy and serving for the time, then gone; fresh data until the end',
  async (t) => {
    const { store, source } = await clusterOf(t)
    const { dns, port } = await serve(
      t,
      '. {\n bind 127.0.0.1\n health 127.0.0.1:0 {\n  lameduck 3s\n }\n ready 127.0.0.1:00\n kubernetes cluster.local\n}',
      { store },
    )
    const http = { health: dns.httpPort('127.0.0.1:0'), ready: dns.httpPort('127.0.0.1:00') }
    t.is((await get(http.ready, '/ready')).status, 200)
    const stopped = dns.stop()
    await t.throwsAsync(get(http.ready, '/ready'))
    t.is((await get(http.health, '/health')).status, 200)
    source.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'n', name: 'late' },
      spec: { clusterIP: '10.0.0.1', ports: [{ port: 80, protocol: 'TCP' }] },
    })
    await waitUntil(async () => (await dig(port, 'late.n.svc.cluster.local', 'A')).answer.length === 1, {
      timeoutMs: 2500,
    })
    await stopped
    await t.throwsAsync(get(http.health, '/health'))
    t.is(await ask(port, 'late.n.svc.cluster.local.', Type.A).catch(() => undefined), undefined)
  },
)

test.serial('a query under way is answered when the server stops', async (t) => {
  const upstream = await stubUpstream(t, async (query) => {
    await sleep(200)
    return always('192.0.2.1')(query, 'udp')
  })
  const { dns, port } = await serve(t, `. {\n bind 127.0.0.1\n forward . 127.0.0.1:${upstream.port}\n}`)
  const asked = [ask(port, 'x.example.', Type.A), dig(port, 'y.example', 'A', '+tcp')] as const
  await waitUntil(() => upstream.asked.length === 2)
  await dns.stop()
  t.is((await asked[0])?.answer.length, 1)
  t.is((await asked[1]).answer.length, 1)
})

test.serial('prometheus: the names and labels dashboards use', async (t) => {
  const { dns, port } = await serve(
    t,
    'example.org {\n bind 127.0.0.1\n prometheus 127.0.0.1:0\n whoami\n errors\n}',
  )
  await dig(port, 'a.example.org', 'A')
  await dig(port, 'a.example.org', 'AAAA', '+tcp', '+dnssec')
  await dig(port, 'a.example.org', 'TYPE65280')
  const { body, status } = await get(dns.httpPort('127.0.0.1:0'), '/metrics')
  t.is(status, 200)
  const scope = 'server="dns://127.0.0.1:0",zone="example.org.",view=""'
  for (const line of [
    `coredns_dns_requests_total{${scope},proto="udp",family="1",type="A"} 1`,
    `coredns_dns_requests_total{${scope},proto="tcp",family="1",type="AAAA"} 1`,
    `coredns_dns_requests_total{${scope},proto="udp",family="1",type="other"} 1`,
    `coredns_dns_responses_total{${scope},rcode="NOERROR",plugin="whoami"} 3`,
    `coredns_dns_do_requests_total{${scope}} 1`,
    `coredns_dns_request_duration_seconds_count{${scope}} 3`,
    `coredns_dns_request_size_bytes_count{${scope},proto="udp"} 2`,
    `coredns_dns_response_size_bytes_count{${scope},proto="tcp"} 1`,
    `coredns_plugin_enabled{${scope},name="errors"} 1`,
    'coredns_panics_total 0',
  ]) {
    t.true(body.includes(`${line}\n`), line)
  }
  t.regex(body, /coredns_dns_response_size_bytes_sum\{[^}]*proto="udp"\} (?!0\n)\d+/)
  t.regex(body, /process_cpu_seconds_total/)
})

test.serial('log: the common format and classes', async (t) => {
  const upstream = await stubUpstream(t, (query) =>
    query.questions[0]?.name.startsWith('no') === true
      ? nxdomain(query, 'udp')
      : always('192.0.2.1')(query, 'udp'),
  )
  const { port, lines } = await serve(
    t,
    `. {\n bind 127.0.0.1\n log example.org "{name} {rcode} {unknown}" {\n  class denial\n }\n log\n forward . 127.0.0.1:${upstream.port}\n}`,
  )
  await dig(port, 'yes.example.org', 'A')
  await dig(port, 'no.example.org', 'A')
  await dig(port, 'Yes.example.com', 'A')
  const text = lines
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
    .filter((line) => line.includes('example.'))
  t.is(text[0], 'no.example.org. NXDOMAIN {unknown}')
  t.regex(
    text[1] ?? '',
    /^127\.0\.0\.1:\d+ - \d+ "A IN yes\.example\.com\. udp 44 false 1232" NOERROR qr,rd,ra,ad 60 0\.\d{9}s$/,
  )
  t.is(text.length, 2)
})

test.serial('loadbalance moves addresses, CNAMEs stay first', async (t) => {
  const record = (name: string, type: number, target: string) => ({
    kind: 'target' as const,
    name,
    type,
    class: 1,
    ttl: 9,
    target,
  })
  const { port } = await serve(
    t,
    `. {\n bind 127.0.0.1\n loadbalance\n hosts /nonexistent {\n ${[1, 2, 3, 4].map((i) => `192.0.2.${i} x.example`).join('\n ')}\n }\n}`,
  )
  const firsts = new Set<string>()
  for (let i = 0; i < 60; i += 1) {
    const said = await ask(port, 'x.example.', Type.A)
    t.is(new Set(said?.answer.map((one) => (one.kind === 'address' ? one.address : ''))).size, 4)
    const [first] = said?.answer ?? []
    if (first?.kind === 'address') firsts.add(first.address)
  }
  t.is(firsts.size, 4)
  const upstream = await stubUpstream(t, (query) => ({
    answer: [
      record(query.questions[0]?.name ?? '', Type.CNAME, 'y.example.'),
      ...['1', '2', '3'].map((i) => ({
        kind: 'address' as const,
        name: 'y.example.',
        type: Type.A,
        class: 1,
        ttl: 9,
        address: `192.0.2.${i}`,
      })),
    ],
  }))
  const chained = await serve(
    t,
    `. {\n bind 127.0.0.1\n loadbalance\n cache\n forward . 127.0.0.1:${upstream.port}\n}`,
  )
  const seconds = new Set<string>()
  for (let i = 0; i < 60; i += 1) {
    const [first, second] = (await ask(chained.port, 'x.example.', Type.A))?.answer ?? []
    t.is(first?.type, Type.CNAME)
    if (second?.kind === 'address') seconds.add(second.address)
  }
  t.is(seconds.size, 3)
})

test.serial('hosts: file and lines, wildcard, reverse, fallthrough, reload', async (t) => {
  const file = join(testDirectory(t, 'hosts'), 'hosts')
  writeFileSync(
    file,
    '# comment\n192.0.2.1 one.example One.alias.example # more\nfd00::1 one.example\nnonsense here\n192.0.2.5 *.wild.example\n',
  )
  const upstream = await stubUpstream(t, always('192.0.2.99'))
  const { port, dns } = await serve(
    t,
    `. {\n bind 127.0.0.1\n hosts ${file} example {\n  192.0.2.3 three.example\n  reload 50ms\n  ttl 60\n  fallthrough fall.example\n }\n forward . 127.0.0.1:${upstream.port}\n}`,
  )
  const address = async (name: string, type = 'A'): Promise<string> =>
    (await dig(port, name, type)).answer.map((line) => line.split(' ').slice(1).join(' ')).join()
  t.is(await address('one.example'), '60 A 192.0.2.1')
  t.is(await address('one.example', 'AAAA'), '60 AAAA fd00::1')
  t.is(await address('one.ALIAS.example'), '60 A 192.0.2.1')
  t.is(await address('a.wild.example'), '60 A 192.0.2.5')
  t.is(await address('three.example'), '60 A 192.0.2.3')
  t.is((await dig(port, 'a.b.wild.example', 'A')).status, 'SERVFAIL')
  t.is((await dig(port, 'one.example', 'MX')).status, 'NOERROR')
  t.deepEqual(
    (await dig(port, '1.2.0.192.in-addr.arpa', 'PTR')).answer.map((line) => line.split(' ').at(-1)),
    ['one.example.', 'one.alias.example.'],
  )
  t.is(await address('x.fall.example'), '300 A 192.0.2.99')
  t.is(await address('other.org'), '300 A 192.0.2.99')
  writeFileSync(file, '192.0.2.77 one.example\n')
  await waitUntil(async () => (await address('one.example')) === '60 A 192.0.2.77')
  t.true(dns.health().ok)
})
