/** What operators see: metric families with their labels, log lines, lines of errors, /health and /ready. */
import test from 'ava'
import { Rcode } from '../../../dns/wire/index.ts'
import { waitUntil } from '../../support/index.ts'
import { a, type Script, soa, stubUpstream } from '../support/index.ts'
import { missingCoredns } from './coredns.ts'
import { type Pair, startPair } from './pair.ts'
import { question, send } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip

/** By the start of the name. */
const says: Script = (query) => {
  const name = query.questions[0]?.name ?? ''
  if (name.startsWith('nx')) return { rcode: Rcode.NXDOMAIN, authority: [soa('test.')] }
  if (name.startsWith('fail')) return { rcode: Rcode.SERVFAIL }
  return { answer: [a(name, '192.0.2.1')] }
}

async function askBoth(pair: Pair, ...queries: readonly string[]): Promise<void> {
  for (const query of queries)
    await Promise.all([pair.ours.port, pair.theirs.port].map((port) => send(port, question(query), 4000)))
}

async function fetchText(port: number, path: string): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}${path}`)).text()
}

/** 'family type {labels}' of everything under /metrics, without the values of labels that differ by nature. */
function shapes(text: string): Set<string> {
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    const [, name = '', labels = ''] = /^([a-z_0-9]+)(?:\{(.*)\})? /i.exec(line) ?? []
    if (name === '' || !name.startsWith('coredns_')) continue
    const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '')
    const names = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => {
      const shown = [
        'server',
        'to',
        'version',
        'revision',
        'goversion',
        'le',
        'hash',
        'value',
        'proxy_name',
        'hostsfile',
        'zone_name',
      ].includes(label)
        ? '*'
        : value
      return `${label}=${shown}`
    })
    found.add(`${family} ${types.get(family) ?? '?'} {${names.sort().join(',')}}`)
  }
  return found
}

differential('metrics: families, types, labels', async (t) => {
  t.timeout(120_000)
  const upstream = await stubUpstream(t, says)
  const pair = await startPair(t, {
    files: { hosts: '192.0.2.1 a.hosts.test\n' },
    corefile: `. {
    prometheus {HTTP}
    errors
    cache 30
    acl {
        block net 192.0.2.0/24
        filter type MX
        block type SRV
        drop type LOC
        allow
    }
    hosts {DIR}/hosts hosts.test {
        fallthrough
    }
    template IN TXT tpl.test {
        answer "{{ .Name }} 60 IN TXT x"
    }
    template IN HINFO tpl.test {
        answer "nonsense"
    }
    forward . 127.0.0.1:${upstream.port}
    reload
    local
    dns64
    loadbalance
    rewrite name old.test new.test
}
example.org {
    prometheus {HTTP}
    view v {
        expr true
    }
    whoami
}
`,
  })
  await askBoth(
    pair,
    'ok.test. A',
    'ok.test. A',
    'ok.test. A +do',
    'ok.test. AAAA +tcp',
    'nx.test. A',
    'nx.test. A',
    'fail.test. A',
    'a.hosts.test. A',
    'x.tpl.test. TXT',
    'x.tpl.test. HINFO',
    'x.mx.test. MX',
    'x.srv.test. SRV',
    'x.loc.test. LOC',
    'localhost. A',
    'localhost.x.test. A',
    'x.example.org. A',
    'old.test. A',
    '1.0.0.127.in-addr.arpa. PTR',
    'ok.test. ANY',
    'ok.test. TYPE65280',
    'ok.test. HTTPS +edns',
  )
  const [ours, theirs] = (
    await Promise.all([pair.ours, pair.theirs].map(({ http }) => fetchText(http, '/metrics')))
  ).map(shapes)
  // The label plugin is 'errors' there whoever answered; health counts without health; we share sockets.
  const deliberate =
    /^coredns_(?:dns_responses_total .*plugin=(?:errors|,)|health_request_|proxy_conn_cache_hits_total)/
  const missing = [...(theirs ?? [])].filter((one) => !ours?.has(one) && !deliberate.test(one)).sort()
  const more = [...(ours ?? [])].filter((one) => !theirs?.has(one)).sort()
  t.log(['CoreDNS alone:', ...missing, 'Plexus alone:', ...more].join('\n'))
  t.deepEqual(missing, [])
})

differential('log and errors: formats and classes', async (t) => {
  t.timeout(120_000)
  const upstream = await stubUpstream(t, says)
  const pair = await startPair(t, {
    corefile: `. {
    log
    errors
    forward . 127.0.0.1:${upstream.port}
}
combined.test {
    log . {combined}
    forward . 127.0.0.1:${upstream.port}
}
own.test {
    log . "{type} {name} {class} {proto} {size} {rcode} {rsize} {>rflags} {>bufsize} {>do} {>id} {>opcode} {/none/label} {unknown}"
    forward . 127.0.0.1:${upstream.port}
}
denial.test {
    log {
        class denial error
    }
    forward . 127.0.0.1:${upstream.port}
}
names.test {
    log sub.names.test "one {name}"
    log names.test "two {name}"
    forward . 127.0.0.1:${upstream.port}
}
broken.test {
    errors
    template IN A {
        answer "nonsense"
    }
}
`,
  })
  const queries = [
    'ok.test. A',
    'Mixed.TEST. AAAA +do',
    'nx.test. A +tcp',
    'fail.test. A',
    'ok.combined.test. MX +size=1232',
    'ok.own.test. A +cd +ad',
    'nx.own.test. TYPE65280 +do +norec',
    'ok.denial.test. A',
    'nx.denial.test. A',
    'fail.denial.test. A',
    'x.sub.names.test. A',
    'x.names.test. A',
    'x.broken.test. A',
    'weird\\032name.test. A',
    'ok.test. TXT +class=CH',
  ]
  await askBoth(pair, ...queries, 'last.test. A')
  const plain = (line: string): string =>
    line
      .replace(/127\.0\.0\.1:\d+/g, 'HOST')
      // sizes of answers: ours are compressed
      .replace(/(?<=(?:rd|ra|ad|cd) |(?:NOERROR|NXDOMAIN|SERVFAIL) )\d+(?= )/g, 'SIZE')
      // what is wrong with a template is said in words of one's own
      .replace(/(plugin\/errors: \d+ \S+ \w+: ).*/, '$1')
      .replace(/[\d.]+(?:m|µ|n)?s$/, 'TIME')
      .replace(/[\d.]+(?:m|µ|n)?s\b/g, 'TIME')
      .trim()
  const theirLines = (): string[] =>
    pair.theirs.started
      .output()
      .split('\n')
      .filter(
        (line) =>
          /^\[(?:INFO|ERROR|WARNING)\]/.test(line) && !/plugin\/(?:reload|ready)|Reloading/.test(line),
      )
      .map((line) => plain(line.replace(/^\[\w+\] /, '')))
  const ourLines = (): string[] =>
    pair.ours.lines.map((line) => String((JSON.parse(line) as { msg?: string }).msg)).map(plain)
  await waitUntil(() =>
    [theirLines(), ourLines()].every((lines) => lines.some((line) => line.includes('last.test.'))),
  )
  const ours = ourLines()
  const missing = theirLines().filter((line) => !ours.includes(line))
  t.log(['CoreDNS says:', ...missing, 'Plexus says:', ...ours].join('\n'))
  t.deepEqual(missing, [])
})

differential('health and ready', async (t) => {
  const pair = await startPair(t, {
    corefile: `. {
    health {HTTP}
    whoami
}
`,
  })
  for (const path of ['/health', '/', '/health/', '/ready']) {
    const answers = await Promise.all(
      [pair.ours, pair.theirs].map(async ({ http }) => {
        const response = await fetch(`http://127.0.0.1:${http}${path}`)
        return { status: response.status, text: await response.text() }
      }),
    )
    t.is(answers[0]?.status, answers[1]?.status, path)
    if (answers[0]?.status === 200) t.is(answers[0].text, answers[1]?.text ?? '', path)
  }
})

differential('ready', async (t) => {
  const pair = await startPair(t, { corefile: '. {\n    ready {HTTP}\n    whoami\n}\n' })
  for (const path of ['/ready', '/', '/health']) {
    const answers = await Promise.all(
      [pair.ours, pair.theirs].map(async ({ http }) => {
        const response = await fetch(`http://127.0.0.1:${http}${path}`)
        return { status: response.status, text: response.status === 200 ? await response.text() : '' }
      }),
    )
    t.deepEqual(answers[0], answers[1], path)
  }
})
