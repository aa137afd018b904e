/** forward and cache over the same upstream, which answers by the name alone: both servers see the same. */
import test from 'ava'
import { type Message, Rcode, type ResourceRecord, Type } from '../../../dns/wire/index.ts'
import { a, type Script, soa, stubUpstream } from '../support/index.ts'
import { missingCoredns } from './coredns.ts'
import { nsidWithoutDo, optionsEchoed, optUnasked } from './deliberate.ts'
import { type CompareOptions, compare, type Deliberate, startPair } from './pair.ts'
import { each } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const cachedAuthority: Deliberate = {
  why: 'AA is that of the answer that was kept, not forced',
  forgive: (lines) => {
    const heads = lines.filter((line) => / head: /.test(line))
    const bare = new Set(heads.map((line) => line.slice(7).replace('[qr aa', '[qr')))
    return heads.length === 2 && bare.size === 1 ? lines.filter((line) => !heads.includes(line)) : lines
  },
}
const cutIsNoNodata: Deliberate = {
  why: 'an answer that was cut is no empty answer: next_on_nodata is not for it',
  forgive: (lines) => (/ours +head: .* tc /.test(lines[0] ?? '') ? [] : lines),
}
const referral: Deliberate = {
  why: 'a referral has the TTL of its records',
  forgive: (lines, query) => (query.startsWith('referral.') ? [] : lines),
}

const lenient: CompareOptions = {
  cut: true,
  unused: true,
  patience: 9000,
  deliberate: [optUnasked, nsidWithoutDo, optionsEchoed, cachedAuthority, cutIsNoNodata, referral],
}

const cname = (name: string, target: string, ttl = 300): ResourceRecord => ({
  kind: 'target',
  name,
  type: Type.CNAME,
  class: 1,
  ttl,
  target,
})
const many = (name: string): ResourceRecord[] => Array.from({ length: 60 }, (_, i) => a(name, `192.0.2.${i}`))

/** By the first label: what the upstream says. */
const said: Readonly<
  Record<string, (query: Message, name: string, transport: string) => Partial<Message> | undefined>
> = {
  ok: (_, name) => ({ answer: [a(name, '192.0.2.1')] }),
  aa: (_, name) => ({ authoritative: true, answer: [a(name, '192.0.2.1')] }),
  ad: (_, name) => ({ authenticData: true, answer: [a(name, '192.0.2.1')] }),
  nora: (_, name) => ({ recursionAvailable: false, answer: [a(name, '192.0.2.1')] }),
  short: (_, name) => ({ answer: [a(name, '192.0.2.1', 1)] }),
  zero: (_, name) => ({ answer: [a(name, '192.0.2.1', 0)] }),
  long: (_, name) => ({ answer: [a(name, '192.0.2.1', 100_000)] }),
  mixed: (_, name) => ({
    answer: [a(name, '192.0.2.1', 50), a(name, '192.0.2.2', 20)],
    authority: [soa('fwd.test.', 200)],
  }),
  alias: (_, name) => ({
    answer: [cname(name, 'target.fwd.test.', 77), a('target.fwd.test.', '192.0.2.3', 99)],
  }),
  dangling: (_, name) => ({
    answer: [cname(name, 'nothing.fwd.test.', 77)],
    authority: [soa('fwd.test.', 30)],
  }),
  bare: (_, name) => ({ answer: [cname(name, 'nothing.fwd.test.', 77)] }),
  nx: () => ({ rcode: Rcode.NXDOMAIN, authority: [soa('fwd.test.', 40)] }),
  nxlong: () => ({ rcode: Rcode.NXDOMAIN, authority: [soa('fwd.test.', 100_000)] }),
  nxbare: () => ({ rcode: Rcode.NXDOMAIN }),
  nodata: () => ({ authority: [soa('fwd.test.', 50)] }),
  empty: () => ({}),
  servfail: () => ({ rcode: Rcode.SERVFAIL }),
  refused: () => ({ rcode: Rcode.REFUSED }),
  formerr: () => ({ rcode: Rcode.FORMERR }),
  notimp: () => ({ rcode: Rcode.NOTIMP }),
  yxdomain: () => ({ rcode: Rcode.YXDOMAIN }),
  cut: (_, name, transport) =>
    transport === 'udp' ? { truncated: true, answer: [a(name, '192.0.2.1')] } : { answer: many(name) },
  big: (_, name) => ({ answer: many(name) }),
  edns: (_, name) => ({
    answer: [a(name, '192.0.2.1')],
    edns: {
      udpSize: 512,
      version: 0,
      dnssecOk: false,
      options: [{ code: 15, data: Buffer.from('0017', 'hex') }],
    },
  }),
  seen: (query, name) => ({
    answer: [
      {
        kind: 'text',
        name,
        type: Type.TXT,
        class: 1,
        ttl: 60,
        texts: [
          `rd ${query.recursionDesired} ad ${query.authenticData} cd ${query.checkingDisabled} ${name}`,
          query.edns === undefined
            ? 'no edns'
            : `size ${query.edns.udpSize} do ${query.edns.dnssecOk} ${query.edns.options.map(({ code, data }) => `${code}:${Buffer.from(data).toString('hex')}`).join(' ')}`,
        ],
      },
    ],
  }),
  referral: (_, name) => ({
    authority: [{ kind: 'target', name, type: Type.NS, class: 1, ttl: 60, target: 'ns.elsewhere.test.' }],
  }),
  wrongname: () => ({ answer: [a('other.fwd.test.', '192.0.2.9')] }),
}

const script: Script = (query, transport) => {
  const name = query.questions[0]?.name ?? ''
  const reply = said[(name.split('.')[0] ?? '').toLowerCase()]?.(query, name, transport)
  return reply === undefined ? undefined : { authenticData: false, ...reply }
}
const names = Object.keys(said).map((label) => `${label}.fwd.test.`)
const words = [
  '',
  '+edns',
  '+do',
  '+tcp',
  '+norec',
  '+cd',
  '+ad',
  '+size=512',
  '+opt=8:00011800c00002',
  '+opt=10:0102030405060708',
]

const blocks: Readonly<Record<string, string>> = {
  plain: 'forward . 127.0.0.1:{UP}',
  force_tcp: 'forward . 127.0.0.1:{UP} {\n        force_tcp\n    }',
  prefer_udp: 'forward . 127.0.0.1:{UP} {\n        prefer_udp\n    }',
  'except and next': `forward . 127.0.0.1:{UP} {
        except nx.fwd.test
        next NXDOMAIN SERVFAIL REFUSED
        next_on_nodata
    }
    forward . 127.0.0.1:{SECOND}`,
  failover:
    'forward . 127.0.0.1:{UP} 127.0.0.1:{SECOND} {\n        policy sequential\n        failover SERVFAIL REFUSED NXDOMAIN\n    }',
}

for (const [what, block] of Object.entries(blocks)) {
  differential(`forward: ${what}`, async (t) => {
    t.timeout(300_000)
    const upstream = await stubUpstream(t, script)
    const second = await stubUpstream(t, (query) => ({
      answer: query.questions.map(({ name }) => a(name, '198.51.100.1')),
    }))
    const filled = block.replace('{UP}', String(upstream.port)).replace('{SECOND}', String(second.port))
    const pair = await startPair(t, { corefile: `. {\n    ${filled}\n}\n` })
    await compare(t, pair, each(names, 'A TXT', ...words), lenient)
  })
}

const caches: Readonly<Record<string, string>> = {
  defaults: 'cache',
  'cache 30': 'cache 30',
  limits: 'cache 3600 {\n        success 5000 60 10\n        denial 5000 30 2\n        servfail 0\n    }',
  keepttl: 'cache {\n        keepttl\n    }',
  disabled: 'cache {\n        disable success ok.fwd.test\n        disable denial\n    }',
  prefer_positive:
    'cache {\n        serve_stale 1h immediate\n        serve_stale_policy prefer_positive\n    }',
}

for (const [what, lines] of Object.entries(caches)) {
  differential(`cache: ${what}`, async (t) => {
    t.timeout(300_000)
    const upstream = await stubUpstream(t, script)
    const pair = await startPair(t, {
      corefile: `. {\n    ${lines}\n    forward . 127.0.0.1:${upstream.port}\n}\n`,
    })
    // Each twice: as it is fetched, and as it was kept.
    const queries = [
      ...each(names, 'A', '', '+do', '+cd', '+ad', '+norec', '+tcp'),
      'seen.fwd.test. TXT +do',
    ].flatMap((query) => [query, query])
    await compare(t, pair, queries, lenient)
  })
}

differential('forward: nobody answers', async (t) => {
  t.timeout(120_000)
  const silent = await stubUpstream(t, () => undefined)
  const pair = await startPair(t, {
    corefile: `. {\n    forward . 127.0.0.1:${silent.port} {\n        read_timeout 300ms\n    }\n}\n`,
  })
  await compare(t, pair, ['x.fwd.test. A', 'x.fwd.test. A +edns', 'y.fwd.test. A +tcp'], {
    ...lenient,
    patience: 15_000,
  })
})

differential('stale answers', async (t) => {
  t.timeout(120_000)
  let down = false
  const upstream = await stubUpstream(t, (query, transport) => {
    if (down) return { rcode: Rcode.SERVFAIL }
    const answer = query.questions.map(({ name }) => a(name, '192.0.2.1', 1))
    return transport === 'udp' ? { answer } : { answer }
  })
  for (const mode of ['immediate', 'verify', 'immediate 30s']) {
    down = false
    const pair = await startPair(t, {
      corefile: `. {\n    cache {\n        success 5000 2 1\n        serve_stale 1h ${mode === 'immediate 30s' ? 'immediate 30s' : mode}\n    }\n    forward . 127.0.0.1:${upstream.port}\n}\n`,
    })
    await compare(t, pair, ['s.fwd.test. A', 's.fwd.test. A +edns'], lenient)
    await new Promise((next) => setTimeout(next, 2500))
    down = true
    await compare(
      t,
      pair,
      ['s.fwd.test. A', 's.fwd.test. A +edns', 's.fwd.test. A', 'other.fwd.test. A'],
      lenient,
    )
  }
})
