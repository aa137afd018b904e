/** Messages, transports and listeners (RFC 1035, 6891, 7766; research notes §3.5). */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'ava'
import { DnsError, startDns } from '#dns'
import { decodeMessage, encodeMessage, Opcode, Rcode, Type } from '../../dns/wire/index.ts'
import { sleep, testNamespace, waitUntil } from '../support/index.ts'
import { ask, dig, memoryLog, queryFor, sendTcp, sendUdp, serve, stubUpstream } from './support/index.ts'

const big = `. {
  bind 127.0.0.1
  hosts /nonexistent {
    192.0.2.1 one.example
    ${Array.from({ length: 80 }, (_, i) => `10.0.0.${i} big.example`).join('\n    ')}
  }
}
sub.example {
  bind 127.0.0.1
  whoami
}`

test.serial('what is no query is dropped or refused as it should be', async (t) => {
  const { port } = await serve(t, big)
  const good = encodeMessage(queryFor('one.example.', Type.A))
  const silent = await Promise.all([
    sendUdp(port, good.subarray(0, 11), 300),
    sendUdp(port, changed(good, 2, 0x80), 300),
  ])
  t.deepEqual(silent, [undefined, undefined])
  const rows: [string, Buffer, number][] = [
    ['opcode UPDATE', changed(good, 2, Opcode.UPDATE << 3), Rcode.NOTIMP],
    ['opcode 15', changed(good, 2, 15 << 3), Rcode.NOTIMP],
    ['no question', changed(good, 5, 0), Rcode.FORMERR],
    ['two questions', changed(good, 5, 2), Rcode.FORMERR],
    ['two answers', changed(good, 7, 2), Rcode.FORMERR],
    ['three additional records', changed(good, 11, 3), Rcode.FORMERR],
    ['cut in the question', good.subarray(0, 16), Rcode.FORMERR],
    ['an additional record that is not there', changed(good, 11, 1), Rcode.FORMERR],
    ['a label that is too long', changed(good, 12, 0x7f), Rcode.FORMERR],
  ]
  for (const [title, octets, rcode] of rows) {
    const reply = await sendUdp(port, octets)
    t.truthy(reply, title)
    t.is((reply?.[3] ?? 0) & 15, rcode, title)
    t.is(reply?.readUInt16BE(0), 4711, title)
    t.is((reply?.[2] ?? 0) & 0x80, 0x80, title)
  }
  t.is((await ask(port, 'one.example.', Type.A))?.answer.length, 1)
})

function changed(octets: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(octets)
  copy[at] = value
  return copy
}

test.serial('classes, zones nobody serves, blocks without plugins', async (t) => {
  const { port, metrics } = await serve(
    t,
    'a.example {\n bind 127.0.0.1\n whoami\n prometheus 127.0.0.1:0\n}\nempty.example\n'.replace(
      'empty.example',
      'empty.example {\n bind 127.0.0.1\n}',
    ),
  )
  t.is((await dig(port, 'a.example', 'A')).status, 'NOERROR')
  t.is((await dig(port, 'x.a.EXAMPLE', 'A')).status, 'NOERROR')
  t.is((await dig(port, 'b.example', 'A')).status, 'REFUSED')
  t.is((await dig(port, 'xa.example', 'A')).status, 'REFUSED')
  t.is((await dig(port, 'a.example', 'A', 'CH')).status, 'REFUSED')
  t.is((await dig(port, 'empty.example', 'A')).status, 'SERVFAIL')
  t.regex(
    await metrics.metrics(),
    /coredns_dns_requests_total\{server="dns:\/\/127\.0\.0\.1:0",zone="dropped",.*\} 3/,
  )
})

test.serial('the block with the longest zone answers; DS goes to the parent', async (t) => {
  const { port } = await serve(t, big)
  t.is((await dig(port, 'sub.example', 'A')).additional.length, 2)
  t.is((await dig(port, 'deep.sub.example', 'A')).additional.length, 2)
  t.is((await dig(port, 'sub.example', 'DS')).status, 'SERVFAIL')
  t.is((await dig(port, 'deep.sub.example', 'DS')).status, 'NOERROR')
  t.is((await dig(port, 'other.example', 'A')).status, 'SERVFAIL')
})

test.serial('EDNS: OPT iff asked, size and DO mirrored, BADVERS, unknown options survived', async (t) => {
  const { port } = await serve(t, big)
  t.is((await ask(port, 'one.example.', Type.A))?.edns, undefined)
  const option = { code: 10, data: new Uint8Array(8) }
  const reply = await ask(port, 'one.example.', Type.A, {
    edns: {
      udpSize: 1400,
      version: 0,
      dnssecOk: true,
      options: [option, { code: 65_001, data: new Uint8Array(3) }],
    },
  })
  t.deepEqual(reply?.edns, { udpSize: 1400, version: 0, dnssecOk: true, options: [] })
  const bad = await ask(port, 'one.example.', Type.A, {
    edns: { udpSize: 1400, version: 1, dnssecOk: false, options: [] },
  })
  t.is(bad?.rcode, Rcode.BADVERS)
  t.is(bad?.edns?.version, 0)
  t.is(bad?.answer.length, 0)
  t.is((await dig(port, 'one.example', 'A', '+edns=3', '+noednsnegotiation')).status, 'BADVERS')
})

test.serial('answers that do not fit are cut with TC; dig comes back over TCP for all of it', async (t) => {
  const { port } = await serve(t, big)
  const small = await ask(port, 'big.example.', Type.A)
  t.true(small?.truncated)
  t.true((small?.answer.length ?? 0) > 20 && (small?.answer.length ?? 0) < 32)
  const wire = await sendUdp(
    port,
    encodeMessage(
      queryFor('big.example.', Type.A, { edns: { udpSize: 800, version: 0, dnssecOk: false, options: [] } }),
    ),
  )
  t.true((wire?.length ?? 0) <= 800 && (wire?.length ?? 0) > 760)
  const whole = await ask(port, 'big.example.', Type.A, {
    edns: { udpSize: 4096, version: 0, dnssecOk: false, options: [] },
  })
  t.false(whole?.truncated)
  t.is(whole?.answer.length, 80)
  t.is((await dig(port, 'big.example', 'A', '+bufsize=512')).answer.length, 80)
  t.is((await dig(port, 'big.example', 'A', '+tcp')).answer.length, 80)
})

test.serial('flags: RD and CD are copied, the id too', async (t) => {
  const { port } = await serve(t, big)
  for (const flags of [
    { recursionDesired: true, checkingDisabled: true },
    { recursionDesired: false, checkingDisabled: false },
  ]) {
    const reply = await ask(port, 'one.example.', Type.A, { ...flags, id: 99 })
    t.is(reply?.id, 99)
    t.is(reply?.recursionDesired, flags.recursionDesired)
    t.is(reply?.checkingDisabled, flags.checkingDisabled)
    t.true(reply?.authoritative)
    t.false(reply?.recursionAvailable)
  }
})

test.serial('TCP: pipelined queries are answered as they get ready, not in order', async (t) => {
  const upstream = await stubUpstream(t, async (query) => {
    if (query.questions[0]?.name === 'slow.example.') await sleep(1000)
    return { answer: [] }
  })
  const { port } = await serve(t, `. {\n bind 127.0.0.1\n forward . 127.0.0.1:${upstream.port}\n}`)
  const queries = ['slow', 'quick', 'quick2'].map((name, i) =>
    encodeMessage(queryFor(`${name}.example.`, Type.A, { id: 100 + i })),
  )
  const replies = (await sendTcp(port, queries)).map((reply) => decodeMessage(reply).id)
  t.is(replies.length, 3)
  t.is(replies.at(-1), 100)
})

test.serial('TCP: many queries in one segment, and one in many', async (t) => {
  const { port } = await serve(t, big)
  const queries = Array.from({ length: 500 }, (_, i) =>
    encodeMessage(queryFor('one.example.', Type.A, { id: i })),
  )
  const replies = await sendTcp(port, queries)
  t.deepEqual(
    replies.map((reply) => reply.readUInt16BE(0)).sort((x, y) => x - y),
    queries.map((_, i) => i),
  )
  const lone = await sendTcp(port, [encodeMessage(queryFor('one.example.', Type.A))])
  t.is(lone.length, 1)
})

test.serial('TCP: garbage ends the connection and nothing else', async (t) => {
  const { port } = await serve(t, big)
  t.deepEqual(await sendTcp(port, [Buffer.from([1, 2, 3])], 1), [])
  t.is((await dig(port, 'one.example', 'A', '+tcp')).answer.length, 1)
})

test.serial(
  'without bind it answers on every address, IPv6 too, from the address that was asked',
  async (t) => {
    const namespace = testNamespace(t, 'dns')
    namespace.run('ip', 'addr', 'add', '10.9.0.1/32', 'dev', 'lo')
    namespace.run('ip', 'addr', 'add', 'fd09::1/128', 'dev', 'lo', 'nodad')
    const server = namespace.start([
      process.execPath,
      new URL('./support/serve-whoami.ts', import.meta.url).pathname,
    ])
    await new Promise<void>((resolve, reject) => {
      server.stdout?.once('data', () => resolve())
      server.once('exit', () => reject(new Error('the server ended')))
    })
    for (const address of ['127.0.0.1', '10.9.0.1', '::1', 'fd09::1']) {
      for (const transport of ['+notcp', '+tcp']) {
        // dig says "reply from unexpected source" and fails when an answer comes from elsewhere.
        t.regex(
          namespace.run('dig', `@${address}`, '-p', '5353', '+tries=1', '+time=3', 'x.example', transport),
          /status: NOERROR/,
          `${address} ${transport}`,
        )
      }
    }
    namespace.run('ip', 'addr', 'add', '10.9.0.2/32', 'dev', 'lo')
    await waitUntil(() =>
      namespace
        .try('dig', '@10.9.0.2', '-p', '5353', '+tries=1', '+time=1', 'x.example')
        .stdout.includes('status: NOERROR'),
    )
  },
)

test.serial('errors at start name what cannot be', async (t) => {
  // Another program, which does not share its port.
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => void other.close())
  const { port } = other.address() as AddressInfo
  const { log } = memoryLog()
  const taken = await t.throwsAsync(
    startDns({ corefile: { text: `.:${port} {\n bind 127.0.0.1\n whoami\n}` }, log }),
    { instanceOf: DnsError },
  )
  t.is(taken?.code, 'DNS_LISTEN')
  t.regex(taken?.message ?? '', new RegExp(`127\\.0\\.0\\.1 port ${port}`))
  const start = (text: string): Promise<unknown> => startDns({ corefile: { text }, log, port: 0 })
  await t.throwsAsync(start('. {\n kubernetes cluster.local\n}'), {
    message: /Corefile:2: plugin\/kubernetes: there is no cluster/,
  })
  await t.throwsAsync(start('. {\n cache 30 x..y\n}'), {
    message: /Corefile:2: plugin\/cache: 'x\.\.y' is no zone/,
  })
  await t.throwsAsync(start('. {\n\n forward . /nonexistent/resolv.conf\n}'), {
    message: /Corefile:3: plugin\/forward: '\/nonexistent/,
  })
  await t.throwsAsync(start('. {\n whoami\n}\n. {\n log\n}'), {
    message: /Corefile:4: cannot serve .* already defined at Corefile:1/,
  })
  await t.throwsAsync(start('. {\n forward . 1.1.1.1 {\n  excpt a\n }\n}'), {
    message: /Corefile:3: plugin\/forward: unknown property 'excpt'/,
  })
  await t.throwsAsync(start('quic://. {\n whoami\n}'), {
    message: /Corefile:1: .*quic:\/\/ is not supported/,
  })
})
