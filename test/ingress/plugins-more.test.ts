import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { inShare, parseTraceparent } from '../../ingress/plugins/tracing/ids.ts'
import { httpBackend } from './support/backend.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'

interface Echo {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}
type Json = { readonly [name: string]: Json }

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < 2000; n++) {
    if (await holds()) return true
    await sleep(10)
  }
  return false
}

async function withPlugins(t: ExecutionContext, plugins: Record<string, unknown>, attributes = {}) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t, { config: { pluginAttributes: attributes } })
  await gateway.put('/routes/1', {
    uri: '/*',
    plugins,
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  return { ...gateway, backend }
}

async function collector(t: ExecutionContext) {
  const received: { url: string; body: Json }[] = []
  const { port } = await httpBackend(t, {
    handler: async (request, response) => {
      let text = ''
      for await (const chunk of request) text += String(chunk)
      received.push({ url: request.url ?? '', body: JSON.parse(text) as Json })
      response.end('{}')
    },
  })
  return { port, received }
}

test('trace contexts that are wrong are not continued', (t) => {
  const good = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  t.deepEqual(parseTraceparent(good), {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    parentId: '00f067aa0ba902b7',
    sampled: true,
  })
  for (const bad of [
    undefined,
    '',
    `${good}-x`,
    good.replace('00-', 'ff-'),
    good.toUpperCase(),
    good.replace(/-00f\w+/, '-0000000000000000'),
  ])
    t.is(parseTraceparent(bad), undefined)
  t.true(inShare('0'.repeat(32), 0.1))
  t.false(inShare('f'.repeat(32), 0.9))
})

test('opentelemetry sends spans over OTLP and passes the context on', async (t) => {
  const { port, received } = await collector(t)
  const { url, backend } = await withPlugins(
    t,
    {
      opentelemetry: {
        sampler: { name: 'parent_base', options: { root: { name: 'always_on' } } },
        additional_attributes: ['arg_a'],
      },
    },
    { opentelemetry: { collector: { address: `127.0.0.1:${port}` }, resource: { 'service.name': 'mine' } } },
  )
  const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  await fetch(`${url}/x?a=b`, { headers: { traceparent: parent, tracestate: 'k=v' } })
  await fetch(`${url}/y`, { headers: { traceparent: parent.replace(/01$/, '00') } })
  t.true(await until(() => received.length === 1))
  const [first] = received
  t.is(first?.url, '/v1/traces')
  const whole = first?.body.resourceSpans?.[0]
  t.deepEqual(JSON.parse(JSON.stringify(whole?.resource)), {
    attributes: [{ key: 'service.name', value: { stringValue: 'mine' } }],
  })
  const spans = whole?.scopeSpans?.[0]?.spans
  // The second one's parent was not sampled.
  t.is(Number(spans?.length), 1)
  const span = spans?.[0]
  t.is(String(span?.traceId), '4bf92f3577b34da6a3ce929d0e0e4736')
  t.is(String(span?.parentSpanId), '00f067aa0ba902b7')
  t.true(JSON.stringify(span?.attributes).includes('{"key":"arg_a","value":{"stringValue":"b"}}'))
  const [sent] = backend.seen
  t.is(sent?.headers.traceparent, `00-4bf92f3577b34da6a3ce929d0e0e4736-${String(span?.spanId)}-01`)
  t.is(sent?.headers.tracestate, 'k=v')
})

test('zipkin sends a server and a client span and passes B3 on', async (t) => {
  const { port, received } = await collector(t)
  const { url, backend } = await withPlugins(t, {
    zipkin: { endpoint: `http://127.0.0.1:${port}/api/v2/spans`, sample_ratio: 1 },
  })
  await fetch(`${url}/x`, { headers: { b3: '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1' } })
  t.is((await fetch(url, { headers: { b3: 'nonsense' } })).status, 400)
  await fetch(url, { headers: { 'x-b3-sampled': '0' } })
  t.true(await until(() => received.length === 1))
  const spans = received[0]?.body
  t.is(Number(spans?.length), 2)
  t.is(String(spans?.[0]?.parentId), 'e457b5a2e4d86bd1')
  t.deepEqual([String(spans?.[0]?.kind), String(spans?.[1]?.kind)], ['SERVER', 'CLIENT'])
  t.is(String(spans?.[1]?.parentId), String(spans?.[0]?.id))
  t.is(backend.seen[0]?.headers['x-b3-traceid'], '80f198ee56343ba864fe8b2a57d3eff7')
  t.is(backend.seen.at(-1)?.headers['x-b3-sampled'], '0')
})

test('multi-auth takes any of its methods', async (t) => {
  const { url, put, admin } = await withPlugins(t, {
    'multi-auth': { auth_plugins: [{ 'basic-auth': {} }, { 'key-auth': { header: 'x-key' } }] },
  })
  await put('/consumers', {
    username: 'ann',
    labels: { team: 'a' },
    plugins: { 'basic-auth': { username: 'ann', password: 'pw' }, 'key-auth': { key: 'k' } },
  })
  t.is((await fetch(url)).status, 401)
  t.is((await fetch(url, { headers: { 'x-key': 'k' } })).status, 200)
  t.is((await fetch(url, { headers: { authorization: `Basic ${btoa('ann:pw')}` } })).status, 200)
  t.is((await fetch(url, { headers: { authorization: `Basic ${btoa('ann:no')}` } })).status, 401)
  const bad = { uri: '/x', plugins: { 'multi-auth': { auth_plugins: [{ cors: {} }, { 'key-auth': {} }] } } }
  t.regex(String((await admin('PUT', '/routes/2', bad)).body.error_msg), /cors plugin is not supported$/)
})

test('a credential of a consumer, its group and its labels', async (t) => {
  const { url, put, admin } = await withPlugins(t, {
    'key-auth': {},
    'attach-consumer-label': { headers: { 'X-Team': '$team' } },
  })
  await put('/consumer_groups/gold', { plugins: { 'limit-count': { count: 2, time_window: 600 } } })
  await put('/consumers', { username: 'ann', labels: { team: 'a' }, group_id: 'gold' })
  await put('/consumers/ann/credentials/one', { plugins: { 'key-auth': { key: 'first' } } })
  await put('/consumers/ann/credentials/two', { plugins: { 'key-auth': { key: 'second' } } })
  const answer = await fetch(url, { headers: { apikey: 'second', 'x-team': 'forged' } })
  const { headers } = (await answer.json()) as Echo
  t.deepEqual(
    [headers['x-consumer-username'], headers['x-credential-identifier'], headers['x-team']],
    ['ann', 'two', 'a'],
  )
  t.is((await fetch(url, { headers: { apikey: 'first' } })).headers.get('x-ratelimit-remaining'), '0')
  t.is((await fetch(url, { headers: { apikey: 'first' } })).status, 503)
  const list = await admin('GET', '/consumers/ann/credentials')
  t.is(Number(list.body.total), 2)
  const used = await admin('DELETE', '/consumer_groups/gold')
  t.is(
    String(used.body.error_msg),
    'can not delete this consumer group, consumer [ann] is still using it now',
  )
  const known = async () => (await fetch(url, { headers: { apikey: 'first' } })).status
  await put('/consumer_groups/gold', { plugins: {} })
  t.is(await known(), 200)
  await admin('DELETE', '/consumer_groups/gold?force=true')
  t.is(await known(), 503, 'what the group would keep from it is not known')
  const twice = await admin('PUT', '/consumers/ann/credentials/three', {
    plugins: { 'key-auth': { key: 'first' } },
  })
  t.regex(String(twice.body.error_msg), /^duplicate key of plugin key-auth found with credential/)
  t.is(
    (await admin('PUT', '/consumers/eve/credentials/x', { plugins: { 'key-auth': { key: 'x' } } })).status,
    404,
  )
  await admin('DELETE', '/consumers/ann')
  t.is((await admin('GET', '/consumers/ann/credentials/one')).status, 404)
  t.is((await fetch(url, { headers: { apikey: 'first' } })).status, 401)
})

test('workflow runs the actions of the first rule that holds', async (t) => {
  const { url } = await withPlugins(t, {
    workflow: {
      rules: [
        { case: [['uri', '==', '/no']], actions: [['return', { code: 403 }]] },
        {
          case: [['arg_a', '==', '1']],
          actions: [['limit-count', { count: 1, time_window: 600, rejected_code: 429 }]],
        },
      ],
    },
  })
  const refused = await fetch(`${url}/no`)
  t.deepEqual([refused.status, await refused.text()], [403, '{"error_msg":"rejected by workflow"}\n'])
  t.is((await fetch(`${url}/?a=1`)).headers.get('x-ratelimit-remaining'), '0')
  t.is((await fetch(`${url}/?a=1`)).status, 429)
  t.is((await fetch(`${url}/?a=2`)).headers.get('x-ratelimit-remaining'), null)
})

test('public-api gives the metrics; opa decides; echo', async (t) => {
  const agent = await httpBackend(t, {
    handler: async (request, response) => {
      let text = ''
      for await (const chunk of request) text += String(chunk)
      const { input } = JSON.parse(text) as { input: { request: { path: string } } }
      const allow = input.request.path !== '/secret'
      const reason = allow ? undefined : 'not for you'
      response.end(
        JSON.stringify({ result: { allow, reason, status_code: 418, headers: { 'X-Who': 'ann' } } }),
      )
    },
  })
  const { url, put } = await withPlugins(t, {
    opa: { host: `http://127.0.0.1:${agent.port}`, policy: 'p', send_headers_upstream: ['X-Who'] },
    prometheus: {},
    echo: { before_body: '>' },
  })
  await put('/routes/metrics', {
    uri: '/metrics',
    plugins: { 'public-api': { uri: '/apisix/prometheus/metrics' } },
  })
  const refused = await fetch(`${url}/secret`)
  t.deepEqual(
    [refused.status, await refused.text(), refused.headers.get('x-who')],
    [418, '>not for you', 'ann'],
  )
  const passed = await (await fetch(`${url}/open`, { headers: { 'x-who': 'eve' } })).text()
  t.is((JSON.parse(passed.slice(1)) as Echo).headers['x-who'], 'ann')
  t.regex(await (await fetch(`${url}/metrics`)).text(), /apisix_http_status\{[^}]*code="200"/)
})

test('external plugins: TypeScript from a directory, loaded again when changed, failing alone', async (t) => {
  const directory = temporaryDirectory(t)
  const file = path.join(directory, 'tenant.ts')
  const write = (name: string) =>
    writeFileSync(
      file,
      `export const plugin = {
        request(request: { headers: { get(n: string): string | undefined; set(n: string, v: string): void } }, conf: { known: string[] }) {
          const who = request.headers.get('x-tenant')
          if (who === 'crash') throw new Error('crashed')
          if (who === undefined || !conf.known.includes(who)) return { status: 403, body: { message: '${name}' } }
          request.headers.set('x-checked', '${name}')
          return undefined
        },
        response(response: { status: number; headers: { set(n: string, v: string): void } }) {
          response.headers.set('x-by', '${name}')
        },
      }\n`,
    )
  write('one')
  const call = { conf: [{ name: 'tenant', value: { known: ['a'] } }] }
  const { url, put, backend } = await withPlugins(
    t,
    { 'ext-plugin-pre-req': call, 'ext-plugin-post-resp': call },
    { 'ext-plugin': { directory } },
  )
  const as = (tenant: string) => fetch(url, { headers: { 'x-tenant': tenant } })
  const good = await as('a')
  t.deepEqual([good.headers.get('x-by'), ((await good.json()) as Echo).headers['x-checked']], ['one', 'one'])
  t.deepEqual(await (await as('b')).json(), { message: 'one' })
  t.is((await as('crash')).status, 503)
  t.is((await as('a')).status, 200)
  writeFileSync(path.join(directory, 'broken.ts'), 'this is no module')
  write('two')
  t.true(await until(async () => (await as('a')).headers.get('x-by') === 'two'))
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', {
    uri: '/*',
    upstream,
    plugins: { 'ext-plugin-post-req': { ...call, allow_degradation: true } },
  })
  t.is((await as('crash')).status, 200)
})

test('a directory of external plugins that is not there costs only the routes that ask for it', async (t) => {
  const call = { conf: [{ name: 'tenant', value: {} }] }
  const directory = path.join(temporaryDirectory(t), 'missing')
  const { url, put, backend } = await withPlugins(
    t,
    { 'ext-plugin-pre-req': call },
    { 'ext-plugin': { directory } },
  )
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/2', { uri: '/open', upstream })
  t.is((await fetch(url)).status, 503)
  t.is((await fetch(`${url}/open`)).status, 200)
})
