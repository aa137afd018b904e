import test from 'ava'
import { graphqlOperations } from '../../ingress/graphql/index.ts'
import { httpBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'

const text = (apisix: string) => `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], ${apisix} }
nginx_config: { worker_processes: 1 }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
`

test('paths with parameters: matched, shown, traced, and to be used in plugins', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, gateway } = await testGateway(t, {
    text: text('router: { http: radixtree_uri_with_parameter }'),
  })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/services/1', { hosts: ['bar.example'], upstream })
  await put('/routes/host', { uri: '/:name/hello', service_id: '1' })
  await put('/routes/any', {
    uri: '/:name/hello',
    priority: -1,
    plugins: {
      'proxy-rewrite': { uri: '/users/$uri_param_name', headers: { set: { 'X-Name': '$uri_param_name' } } },
    },
    upstream,
  })
  await put('/routes/rest', {
    uri: '/files/:owner/*path',
    plugins: {
      'proxy-rewrite': { headers: { set: { 'X-Path': '$uri_param_owner:$uri_param_path:$uri_param_none' } } },
    },
    upstream,
  })
  t.is((await fetch(`${url}/john%20doe/hello`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/users/john%20doe')
  t.is(backend.seen.at(-1)?.headers['x-name'], 'john doe')
  t.is((await fetch(`${url}/files/john/a/b`)).status, 200)
  t.is(backend.seen.at(-1)?.headers['x-path'], 'john:a/b:')
  t.is((await fetch(`${url}//hello`)).status, 404)
  t.is((await fetch(`${url}/a/b/hello`)).status, 404)
  const trace = (target: string) =>
    gateway.trace({ method: 'GET', url: target, headers: {}, remoteAddress: '10.0.0.1' })
  t.is(trace('http://bar.example/john/hello').route, 'host')
  t.is(trace('http://foo.example/john/hello').route, 'any')
  t.deepEqual(
    trace('http://foo.example/john/hello').steps.map(({ route, result }) => [route, result]),
    [
      ['host', 'hosts are bar.example'],
      ['any', 'taken'],
    ],
  )
  t.regex(trace('/files/john/a/b').summary, /route rest .*, with owner = john, path = a\/b/)
  t.deepEqual(
    gateway
      .describeRoutes()
      .map(({ uri }) => uri)
      .sort(),
    ['/:name/hello', '/:name/hello', '/files/:owner/*path'],
  )
})

test('what routes see of a path: escaped slashes, tail slashes, parameters after semicolons', async (t) => {
  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const slash = await testGateway(t, {
    text: text('match_uri_encoded_slash: true, router: { http: radixtree_uri_with_parameter }'),
  })
  await slash.put('/routes/1', {
    uri: '/v1/:id/list',
    plugins: { 'proxy-rewrite': { headers: { set: { 'X-Seen': '$uri $uri_param_id' } } } },
    upstream,
  })
  t.is((await fetch(`${slash.url}/v1/a%2Fb/list`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/v1/a%2Fb/list')
  t.is(backend.seen.at(-1)?.headers['x-seen'], '/v1/a/b/list a%2Fb')
  t.is(
    slash.gateway.trace({ method: 'GET', url: '/v1/a%2fb/list', headers: {}, remoteAddress: '' }).route,
    '1',
  )

  const servlet = await testGateway(t, {
    text: text('delete_uri_tail_slash: true, normalize_uri_like_servlet: true'),
  })
  await servlet.put('/routes/1', { uri: '/open', upstream })
  await servlet.put('/routes/2', { uri: '/open/admin', plugins: { 'key-auth': {} }, upstream })
  t.is((await fetch(`${servlet.url}/open/`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/open/')
  t.is((await fetch(`${servlet.url}/open;x=1/admin;jsessionid=2`)).status, 401)
  t.is((await fetch(`${servlet.url}/x/..;/open`)).status, 400)
})

test('routes by what the body says: forms, JSON, multipart, GraphQL; the upstream gets the body', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const route = (id: string, vars: unknown[]) =>
    put(`/routes/${id}`, {
      uri: '/echo',
      vars,
      upstream,
      plugins: { 'response-rewrite': { headers: { 'X-Route': id } } },
    })
  await route('form', [['post_arg_kind', '==', 'form']])
  await route('json', [
    ['post_arg.model.kind', '==', 'json'],
    ['post_arg.items[1].n', '>', 5],
  ])
  await route('multipart', [['post_arg.kind', '==', 'multipart']])
  await route('graphql', [
    ['graphql_operation', '==', 'mutation'],
    ['graphql_name', '==', 'addBook'],
    ['graphql_root_fields', 'has', 'log'],
  ])
  await route('every', [['post_arg.parts[*].tags[*]', 'has', 'rare']])
  await put('/routes/rest', { uri: '/echo', priority: -1, upstream })
  const post = async (type: string | undefined, body: string | FormData | Blob, chunked = false) => {
    const stream = chunked && typeof body === 'string' ? new Blob([body]).stream() : body
    const response = await fetch(`${url}/echo`, {
      method: 'POST',
      ...(type === undefined ? {} : { headers: { 'Content-Type': type } }),
      body: stream,
      ...(chunked ? { duplex: 'half' } : {}),
    } as RequestInit)
    const text = await response.text()
    if (typeof body === 'string') t.is(text, body)
    return response.headers.get('x-route') ?? 'rest'
  }
  const form = 'application/x-www-form-urlencoded'
  t.is(await post(form, 'a=1&kind=form&kind=other'), 'form')
  t.is(await post(form, 'a=1&kind=form', true), 'form')
  t.is(await post(form, 'kind=other'), 'rest')
  t.is(await post('text/plain', 'kind=form'), 'rest')
  const json = JSON.stringify({ kind: 'form', model: { kind: 'json' }, items: [{ n: 1 }, { n: 6 }] })
  t.is(await post('application/json; charset=utf-8', json), 'json')
  t.is(await post('application/json', json.replace('6', '5')), 'rest')
  t.is(await post('application/json', '{"model":'), 'rest')
  const data = new FormData()
  data.set('file', new Blob(['kind=x']), 'a.txt')
  data.set('kind', 'multipart')
  t.is(await post(undefined, data), 'multipart')
  const tagged = (...tags: string[]) => JSON.stringify({ parts: [{ tags: ['a'] }, {}, { tags }] })
  t.is(await post('application/json', tagged('b', 'rare')), 'every')
  t.is(await post('application/json', tagged('b')), 'rest')
  const lines = '--mark\nContent-Disposition: form-data; name="kind"\n\nmultipart\n--mark--\n'
  t.is(await post('multipart/form-data; boundary=mark', lines), 'multipart')
  const query = 'mutation addBook($t: String = "}") { first: add(title: $t) @skip(if: false) { id } log }'
  t.is(await post('application/graphql', query), 'graphql')
  t.is(await post('application/json', JSON.stringify({ query })), 'graphql')
  t.is(await post(undefined, new Blob([query])), 'graphql')
  t.is(await post('application/graphql', query.replace('addBook', 'other')), 'rest')
  t.is(await post('application/graphql', '{'), 'rest')
  for (const id of ['form', 'json', 'multipart', 'graphql', 'every']) await admin('DELETE', `/routes/${id}`)
  t.is(await post(form, 'kind=form'), 'rest')
})

test('a body beyond max_post_args_readable_size is not read: its variables have no value, and it goes through', async (t) => {
  const backend = await httpBackend(t, { handler: (request, response) => void request.pipe(response) })
  const { url, put } = await testGateway(t, { text: text('max_post_args_readable_size: 0.001') })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const plugins = { 'response-rewrite': { headers: { 'X-Route': 'kind' } } }
  await put('/routes/1', { uri: '/', vars: [['post_arg.kind', '==', 'a']], plugins, upstream })
  await put('/routes/2', { uri: '/', priority: -1, upstream })
  const post = async (body: string) => {
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    })
    t.is(await answer.text(), body)
    return answer.headers.get('x-route')
  }
  t.is(await post('{"kind":"a"}'), 'kind')
  t.is(await post(`{"kind":"a","more":"${'x'.repeat(2000)}"}`), null)
})

test('GraphQL documents: operations, names, root fields; what is none', (t) => {
  t.deepEqual(graphqlOperations('{ owner { name } ...parts ... on Query @x { y } repo(id: [1, 2]) }'), [
    { type: 'query', name: '', rootFields: ['owner', 'repo'] },
  ])
  t.deepEqual(
    graphqlOperations(
      '# a comment {\nfragment parts on Query { z }\nsubscription S @live { s(t: """a"b}""") }\nquery { q }',
    ).map(({ type, name, rootFields }) => [type, name, ...rootFields]),
    [
      ['subscription', 'S', 's'],
      ['query', '', 'q'],
    ],
  )
  for (const bad of [
    '',
    '{',
    'query',
    'query { a',
    'fragment f on A { b }',
    '{ a } }',
    'select 1',
    '{ "a" }',
    '{ a(b: "x) }',
  ])
    t.throws(() => graphqlOperations(bad), { code: 'GW_GRAPHQL' }, bad)
})

test('degraphql asks what the request stands for', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const query = 'query ($name: String!) { author(name: $name) { id } }'
  const route = (conf: object) => ({ uri: '/echo', upstream, plugins: { degraphql: conf } })
  await put('/routes/1', route({ query, variables: ['name', 'none'] }))
  const json = async (init?: RequestInit) => (await fetch(`${url}/echo`, init)).json()
  t.deepEqual(await json({ method: 'POST', body: '{"name":"Frank","more":1}' }), {
    variables: { name: 'Frank' },
    query,
  })
  await fetch(`${url}/echo?name=Frank%20H&x=1`)
  const asked = new URL(backend.seen.at(-1)?.url ?? '', 'http://x').searchParams
  t.deepEqual(Object.fromEntries(asked), { query, variables: '{"name":"Frank H"}' })
  t.is((await fetch(`${url}/echo`, { method: 'POST', body: 'no json' })).status, 400)
  t.is((await fetch(`${url}/echo`, { method: 'PUT' })).status, 405)
  const two = 'query a { x } query b { y }'
  await put('/routes/1', route({ query: two, operation_name: 'b' }))
  t.deepEqual(await json({ method: 'POST', body: 'anything' }), { operationName: 'b', query: two })
  for (const [conf, message] of [
    [{ query: two }, /operation_name is required/],
    [{ query: '{ a' }, /failed to parse query: the document ends too early/],
  ] as const)
    t.regex(String((await admin('PUT', '/routes/2', route(conf))).body.error_msg), message)
})
