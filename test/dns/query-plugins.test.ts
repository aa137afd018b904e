/** rewrite, template, autopath, view, metadata, header, dns64, cancel, timeouts. */
import { connect } from 'node:net'
import test from 'ava'
import { compileTemplate } from '../../dns/plugins/template/go-template.ts'
import { compileExpression } from '../../dns/plugins/view/expression.ts'
import { encodeMessage, Rcode, Type } from '../../dns/wire/index.ts'
import { a, always, ask, clusterOf, dig, queryFor, sendTcp, serve, stubUpstream } from './support/index.ts'

const block = (...lines: string[]): string => `. {\n bind 127.0.0.1\n ${lines.join('\n ')}\n}`
const hosts =
  'hosts /nonexistent {\n  192.0.2.1 real.example\n  192.0.2.2 www.inside.example\n fallthrough\n }'

test('rewrite name: exact and suffix answer under the name that was asked', async (t) => {
  const { port } = await serve(
    t,
    block(
      'rewrite name alias.example real.example',
      'rewrite name suffix .outside.example .inside.example answer auto',
      hosts,
    ),
  )
  t.deepEqual((await dig(port, 'ALIAS.example', 'A')).answer, ['ALIAS.example. 3600 A 192.0.2.1'])
  t.deepEqual((await dig(port, 'www.outside.example', 'A')).answer, ['www.outside.example. 3600 A 192.0.2.2'])
  t.deepEqual((await dig(port, 'real.example', 'A')).answer, ['real.example. 3600 A 192.0.2.1'])
})

test('rewrite name: regex with groups, answer name and value, names of equal length', async (t) => {
  const upstream = await stubUpstream(t, (query) => {
    const name = query.questions[0]?.name ?? ''
    return {
      answer: [
        { kind: 'target', name, type: Type.CNAME, class: 1, ttl: 60, target: 'web.inner.example.' },
        a('web.inner.example.', '192.0.2.7'),
      ],
    }
  })
  const { port } = await serve(
    t,
    block(
      'rewrite stop {',
      'name regex (.*)\\.outer\\.example {1}.inner.example',
      'answer name (.*)\\.inner\\.example {1}.outer.example',
      'answer value (.*)\\.inner\\.example {1}.outer.example',
      '}',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  t.deepEqual((await dig(port, 'api.outer.example', 'A')).answer, [
    'api.outer.example. 60 CNAME web.outer.example.',
    'web.outer.example. 300 A 192.0.2.7',
  ])
  t.deepEqual(
    upstream.asked.map(({ name }) => name),
    ['api.inner.example.'],
  )
})

test('rewrite: continue, type, ttl, rcode, cname', async (t) => {
  const upstream = await stubUpstream(t, (query) => {
    const question = query.questions[0]
    if (question?.name === 'gone.example.') return { rcode: Rcode.NXDOMAIN }
    if (question?.name === 'c.example.')
      return {
        answer: [
          { kind: 'target', name: 'c.example.', type: Type.CNAME, class: 1, ttl: 9, target: 'old.example.' },
        ],
      }
    return question?.type === Type.A ? { answer: [a(question.name, '192.0.2.9', 7)] } : {}
  })
  const { port } = await serve(
    t,
    block(
      'rewrite continue type ANY A',
      'rewrite continue ttl suffix .example 60-120',
      'rewrite continue rcode gone.example NXDOMAIN NOERROR',
      'rewrite cname exact old.example new.example',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  t.deepEqual((await dig(port, 'x.example', 'ANY', '+notcp')).answer, ['x.example. 60 A 192.0.2.9'])
  t.is((await dig(port, 'gone.example', 'A')).status, 'NOERROR')
  t.deepEqual((await dig(port, 'c.example', 'A')).answer, [
    'c.example. 60 CNAME new.example.',
    'new.example. 60 A 192.0.2.9',
  ])
})

test('rewrite edns0: what the upstream gets', async (t) => {
  const seen: (readonly [number, string])[] = []
  const upstream = await stubUpstream(t, (query) => {
    for (const { code, data } of query.edns?.options ?? [])
      seen.push([code, Buffer.from(data).toString('hex')])
    return {}
  })
  const { port } = await serve(
    t,
    block(
      'rewrite continue edns0 local set 0xffee 0x6162',
      'rewrite continue edns0 local set 0xffef {client_ip}',
      'rewrite edns0 subnet set 20 56',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  await dig(port, 'x.example', 'A')
  t.deepEqual(seen, [
    [0xffee, '6162'],
    [0xffef, '7f000001'],
    [8, '000114007f0000'],
  ])
  for (const bad of [
    'name a',
    'ttl a x',
    'type A NONSENSE',
    'edns0 local put 1 2',
    'nonsense a b',
    'name regex ( b',
  ])
    await t.throwsAsync(serve(t, block(`rewrite ${bad}`)), { message: /plugin\/rewrite/ }, bad)
})

test('template: groups, rcode, filter, fallthrough', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.3'))
  const { port, metrics } = await serve(
    t,
    block(
      'template IN AAAA',
      'template IN A ip.example {',
      'match ^ip-(?P<a>\\d+)-(?P<b>\\d+)[.]ip[.]example[.]$',
      'answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ .Group.b }}"',
      'fallthrough',
      '}',
      'template ANY ANY invalid {',
      'rcode NXDOMAIN',
      'authority "invalid. 60 {{ .Class }} SOA ns.invalid. root.invalid. (1 60 60 60 60)"',
      'ederror 21 "not here"',
      '}',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  const filtered = await dig(port, 'x.example', 'AAAA')
  t.is(filtered.status, 'NOERROR')
  t.deepEqual(filtered.answer, [])
  t.deepEqual((await dig(port, 'ip-3-4.ip.example', 'A')).answer, ['ip-3-4.ip.example. 60 A 10.0.3.4'])
  t.deepEqual((await dig(port, 'other.ip.example', 'A')).answer, ['other.ip.example. 300 A 192.0.2.3'])
  const invalid = await dig(port, 'x.invalid', 'A')
  t.is(invalid.status, 'NXDOMAIN')
  t.is(invalid.authority.length, 1)
  t.regex(invalid.text, /EDE: 21.*not here/)
  t.regex(await metrics.metrics(), /coredns_template_matches_total\{[^}]*class="IN",type="AAAA"\} 1\n/)
})

test('template: the language', (t) => {
  const fill = (source: string): string =>
    compileTemplate(source)({
      Name: 'a.b.',
      Match: ['all', '17', ''],
      Group: { x: '255' },
      Meta: (label) => `<${String(label)}>`,
    })
  t.is(fill('{{.Name}}|{{ index .Match 1 }}|{{ .Group.x }}|{{ .Group.none }}'), 'a.b.|17|255|')
  t.is(fill('{{ if eq .Name "a.b." }}yes{{ else }}no{{ end }}'), 'yes')
  t.is(fill('{{ if .Group.none }}1{{ else if index .Match 2 }}2{{ else }}3{{ end }}'), '3')
  t.is(fill('x {{- " y " -}} z'), 'x y z')
  t.is(fill('{{ printf "%02x" (parseInt .Group.x 10 16) }}'), 'ff')
  t.is(fill('{{ .Group.x | printf "<%s>" }}{{/* nothing */}}'), '<255>')
  t.is(fill('{{ .Meta "view/name" }}'), '<view/name>')
  t.is(fill('{{ range $i, $m := .Match }}{{ $i }}={{ $m }};{{ end }}'), '0=all;1=17;2=;')
  t.is(fill('{{ range $k, $v := .Group }}{{ $k }}{{ $v }}{{ else }}none{{ end }}'), 'x255')
  t.is(fill('{{ range .Group.none }}some{{ else }}none{{ end }}'), 'none')
  t.is(fill('{{ with .Group.x }}<{{ . }}{{ $.Name }}>{{ else }}no{{ end }}'), '<255a.b.>')
  t.is(fill('{{ $n := 1 }}{{ if true }}{{ $n = 2 }}{{ $m := 3 }}{{ end }}{{ $n }}'), '2')
  for (const bad of [
    '{{ if .Name }}',
    '{{ end }}',
    '{{ .Name',
    '{{ $x }}',
    '{{ $x = 1 }}',
    '{{ range .Match }}',
    '{{ nonsense }}',
    '{{ (index .Match 1 }}',
  ])
    t.throws(() => compileTemplate(bad), { code: 'DNS_TEMPLATE' })
})

test('view: the first block whose view takes the query; its name in metrics and metadata', async (t) => {
  const host = (address: string): string => `hosts /nonexistent {\n ${address} x.example\n }`
  const { port, metrics, lines } = await serve(
    t,
    `. {\n bind 127.0.0.1\n view big {\n expr bufsize() > 2000 && incidr(client_ip(), '127.0.0.0/8')\n }\n metadata\n log . "view={/view/name}"\n prometheus 127.0.0.1:0\n ${host('192.0.2.1')}\n}\n` +
      `. {\n bind 127.0.0.1\n view six {\n expr type() == 'AAAA'\n expr name() endsWith '.example.'\n }\n ${host('2001:db8::6')}\n}\n` +
      `. {\n bind 127.0.0.1\n ${host('192.0.2.3')}\n}`,
  )
  t.deepEqual((await dig(port, 'x.example', 'A', '+bufsize=4000')).answer, ['x.example. 3600 A 192.0.2.1'])
  t.deepEqual((await dig(port, 'x.example', 'AAAA', '+bufsize=600')).answer, [
    'x.example. 3600 AAAA 2001:db8::6',
  ])
  t.deepEqual((await dig(port, 'x.example', 'A', '+bufsize=600')).answer, ['x.example. 3600 A 192.0.2.3'])
  t.regex(await metrics.metrics(), /coredns_dns_requests_total\{[^}]*view="big"[^}]*\} 1\n/)
  t.true(lines.some((line) => line.includes('view=big')))
  const functions = { one: () => 1, name: () => 'x' }
  const value = (text: string): unknown => compileExpression<undefined>(text, functions)(undefined)
  t.true(value("one() + 2 * 3 == 7 and name() in ['x', 'y']"))
  t.true(value("not (name() matches '^y') ? one() in 1..3 : false"))
  t.false(value("name() not in ['x']"))
  for (const bad of ['1 +', 'nobody()', "'open", 'one() one()'])
    t.throws(() => compileExpression(bad, functions))
})

test('header', async (t) => {
  const upstream = await stubUpstream(t, always('192.0.2.3'))
  const { port } = await serve(
    t,
    block('header {', 'response set aa', 'response clear ra', '}', `forward . 127.0.0.1:${upstream.port}`),
  )
  const { flags } = await dig(port, 'x.example', 'A')
  t.true(flags.includes('aa'))
  t.false(flags.includes('ra'))
  await t.throwsAsync(serve(t, block('header {', 'response set xx', '}')), { message: /'xx' is no flag/ })
})

test('dns64: AAAA made of A, not where there is one, not for NXDOMAIN', async (t) => {
  const upstream = await stubUpstream(t, (query) => {
    const { name = '', type = 0 } = query.questions[0] ?? {}
    if (name === 'none.example.') return { rcode: Rcode.NXDOMAIN }
    if (type === Type.A) return { answer: [a(name, '192.0.2.33', 900)] }
    return name === 'six.example.'
      ? { answer: [{ kind: 'address', name, type: Type.AAAA, class: 1, ttl: 5, address: '2001:db8::1' }] }
      : {}
  })
  const { port, metrics } = await serve(
    t,
    block('dns64 {', 'allow_ipv4', '}', `forward . 127.0.0.1:${upstream.port}`),
  )
  t.deepEqual((await dig(port, 'four.example', 'AAAA')).answer, ['four.example. 600 AAAA 64:ff9b::c000:221'])
  t.deepEqual((await dig(port, 'six.example', 'AAAA')).answer, ['six.example. 5 AAAA 2001:db8::1'])
  t.is((await dig(port, 'none.example', 'AAAA')).status, 'NXDOMAIN')
  t.deepEqual((await dig(port, 'four.example', 'A')).answer, ['four.example. 900 A 192.0.2.33'])
  t.regex(await metrics.metrics(), /coredns_dns64_requests_translated_total\{[^}]*\} 1\n/)
  const other = await serve(
    t,
    block(
      'dns64 2001:db8:100::/40 {',
      'allow_ipv4',
      'translate_all',
      '}',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  // RFC 6052 §2.4: 192.0.2.33 in 2001:db8:100::/40
  t.deepEqual((await dig(other.port, 'six.example', 'AAAA')).answer, [
    'six.example. 600 AAAA 2001:db8:1c0:2:21::',
  ])
})

test('cancel ends what takes too long', async (t) => {
  const upstream = await stubUpstream(t, () => undefined)
  const { port } = await serve(t, block('cancel 100ms', `forward . 127.0.0.1:${upstream.port}`))
  t.is((await dig(port, 'x.example', 'A')).status, 'SERVFAIL')
  // forward itself would have tried a second time before it gave up
  t.is(upstream.asked.length, 1)
})

test('timeouts: a connection ends after its share of queries', async (t) => {
  const { port } = await serve(t, block('timeouts {', 'idle 1s', 'maxtcpqueries 2', '}', 'whoami'))
  const query = encodeMessage(queryFor('x.', Type.A))
  t.is((await sendTcp(port, [query, query, query], 3)).length, 2)
  const idle = connect(port, '127.0.0.1')
  await new Promise((resolve) => idle.once('close', resolve).resume())
  await t.throwsAsync(serve(t, block('timeouts {', 'read 0s', '}')), { message: /from 1s to 24h/ })
})

test('autopath: right for each pod, and only where it is certain which pod asks', async (t) => {
  const pod = (name: string, namespace: string, more: object = {}, status: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'i' }], ...more },
    status: { phase: 'Running', podIP: '127.0.0.1', startTime: '2026-01-01T00:00:00Z', ...status },
  })
  const service = (namespace: string, clusterIP: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace },
    spec: { clusterIP, ports: [{ name: 'http', port: 80 }] },
  })
  const { store, source } = await clusterOf(
    t,
    pod('asker', 'shop'),
    service('shop', '10.96.0.1'),
    service('other', '10.96.0.2'),
  )
  const upstream = await stubUpstream(t, (query) =>
    query.questions[0]?.name === 'outside.example.'
      ? always('192.0.2.5')(query, 'udp')
      : { rcode: Rcode.NXDOMAIN },
  )
  const { port, metrics } = await serve(
    t,
    block(
      'kubernetes cluster.local {',
      'pods verified',
      '}',
      'autopath @kubernetes',
      'cache',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
    { store },
  )
  const first = 'shop.svc.cluster.local'
  const answer = async (name: string, type = 'A') => (await dig(port, name, type)).answer
  t.deepEqual(await answer(`outside.example.${first}`), [
    `outside.example.${first}. 300 CNAME outside.example.`,
    'outside.example. 300 A 192.0.2.5',
  ])
  t.deepEqual(await answer(`web.other.${first}`), [
    `web.other.${first}. 5 CNAME web.other.svc.cluster.local.`,
    'web.other.svc.cluster.local. 5 A 10.96.0.2',
  ])
  t.deepEqual(await answer(`web.${first}`), [`web.${first}. 5 A 10.96.0.1`])
  // The name exists without an AAAA record: NODATA, as Alpine needs it.
  const noData = await dig(port, `web.${first}`, 'AAAA')
  t.is(noData.status, 'NOERROR')
  t.deepEqual(noData.answer, [])
  t.is((await dig(port, `nowhere.${first}`, 'A')).status, 'NXDOMAIN')
  // Of another namespace than the pod's: not its search path.
  t.is((await dig(port, 'outside.example.other.svc.cluster.local', 'A')).status, 'NXDOMAIN')
  t.regex(await metrics.metrics(), /coredns_autopath_success_total\{[^}]*\} 2\n/)

  const uncertain = async (...objects: unknown[]): Promise<void> => {
    source.apply(...objects)
    t.is((await dig(port, `outside.example.${first}`, 'A')).status, 'NXDOMAIN')
  }
  await uncertain(pod('asker', 'shop', { hostNetwork: true }))
  await uncertain(pod('asker', 'shop', {}, { startTime: new Date().toISOString() }))
  await uncertain(pod('asker', 'shop'), pod('twin', 'other'))
})

test('metadata: labels of kubernetes in the log', async (t) => {
  const { store } = await clusterOf(t, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'asker', namespace: 'shop' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running', podIP: '127.0.0.1' },
  })
  const { port, lines } = await serve(
    t,
    block(
      'metadata',
      'log . "{/kubernetes/client-namespace}/{/kubernetes/client-pod-name} {/kubernetes/service} {/nobody/knows}"',
      'kubernetes cluster.local {',
      'pods verified',
      '}',
    ),
    { store },
  )
  await ask(port, 'web.shop.svc.cluster.local.', Type.A)
  t.true(lines.some((line) => line.includes('shop/asker web -')))
})
