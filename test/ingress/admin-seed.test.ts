import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const run = promisify(execFile)

// The curl lines of the seed, as printed there; only the Admin API's port and the node's address are those of the test.
const ROUTE = `curl "http://127.0.0.1:9180/apisix/admin/routes/1" -H "X-API-KEY: edd1c9f034335f136f87ad84b625c8f1" -X PUT -d '
{
"methods": ["GET"],
"host": "example.com",
"uri": "/anything/*",
"upstream": {
"type": "roundrobin",
"nodes": {
"httpbin.org:80": 1
}
}
}'`
const UPSTREAM = `curl "http://127.0.0.1:9180/apisix/admin/upstreams/1" -H "X-API-KEY: edd1c9f034335f136f87ad84b625c8f1" -X PUT -d '
{
"type": "roundrobin",
"nodes": {
"httpbin.org:80": 1
}
}'`
const BOUND = `curl "http://127.0.0.1:9180/apisix/admin/routes/1" -H "X-API-KEY: edd1c9f034335f136f87ad84b625c8f1" -X PUT -d '
{
"uris": ["/get","/list"],
"host": "httpbin.org",
"upstream_id": "1"
}'`

test("the seed's curl examples work", async (t) => {
  const backend = await httpBackend(t)
  const { gateway, url } = await testGateway(t)
  const sh = async (line: string) => {
    const here = line
      .replace('9180', String(gateway.adminListen?.port))
      .replace('httpbin.org:80', `127.0.0.1:${backend.port}`)
    const { stdout } = await run('sh', ['-c', `${here} -s -w '\\n%{http_code}'`])
    const at = stdout.lastIndexOf('\n')
    return { body: JSON.parse(stdout.slice(0, at)), status: Number(stdout.slice(at + 1)) }
  }
  const get = async (host: string, path: string) => {
    const { stdout } = await run('curl', [
      '-s',
      '-H',
      `Host: ${host}`,
      '-w',
      '\n%{http_code}',
      `${url}${path}`,
    ])
    return Number(stdout.slice(stdout.lastIndexOf('\n') + 1))
  }
  const created = await sh(ROUTE)
  t.is(created.status, 201)
  t.is(created.body.key, '/apisix/routes/1')
  t.like(created.body.value, { id: '1', priority: 0, status: 1, uri: '/anything/*', host: 'example.com' })
  t.like(created.body.value.upstream, {
    type: 'roundrobin',
    hash_on: 'vars',
    scheme: 'http',
    pass_host: 'pass',
  })
  t.is(await get('example.com', '/anything/x'), 200)
  t.is(backend.seen[0]?.headers.host, 'example.com')
  t.is(await get('example.com', '/anything'), 404)
  t.is(await get('other.com', '/anything/x'), 404)

  t.is((await sh(UPSTREAM)).status, 201)
  t.is((await sh(BOUND)).status, 200)
  t.is(await get('httpbin.org', '/get'), 200)
  t.is(await get('httpbin.org', '/list'), 200)
  t.is(await get('example.com', '/anything/x'), 404)

  const admin = `curl -H "X-API-KEY: edd1c9f034335f136f87ad84b625c8f1" -X DELETE "http://127.0.0.1:9180/apisix/admin`
  const refused = await sh(`${admin}/upstreams/1"`)
  t.is(refused.status, 400)
  t.is(refused.body.error_msg, 'can not delete this upstream, route [1] is still using it now')
  t.deepEqual(await sh(`${admin}/routes/1"`), {
    status: 200,
    body: { key: '/apisix/routes/1', deleted: '1' },
  })
  t.is(await get('httpbin.org', '/get'), 404)
  t.is((await sh(`${admin}/upstreams/1"`)).status, 200)
  t.deepEqual(await sh(`${admin}/upstreams/1"`), { status: 404, body: { message: 'Key not found' } })
})
