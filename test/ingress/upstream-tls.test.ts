import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { authority, type Pair } from './support/certificates.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'

interface MutualServer extends TestGateway {
  readonly client: Pair
  /** An upstream of the server. */
  readonly upstream: Record<string, unknown>
  /** Names that handshakes asked for. */
  readonly names: (string | false | undefined)[]
  readonly handshakes: () => number
  /** What it answers: `known` to who shows a certificate of its authority, else `unknown`; another status than 200. */
  readonly asked: (path: string) => Promise<string | number>
}

async function mutualServer(t: ExecutionContext): Promise<MutualServer> {
  const { issue, ca } = authority(t)
  const server = issue('backend.example.org')
  const names: (string | false | undefined)[] = []
  const backend = https.createServer(
    { cert: server.cert, key: server.key, ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket
      names.push(socket.servername ?? undefined)
      response.end(socket.authorized ? 'known' : 'unknown')
    },
  )
  let handshakes = 0
  backend.on('secureConnection', () => handshakes++)
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    backend.closeAllConnections()
    backend.close()
  })
  const upstream = {
    scheme: 'https',
    nodes: { [`127.0.0.1:${(backend.address() as AddressInfo).port}`]: 1 },
    pass_host: 'rewrite',
    upstream_host: 'backend.example.org',
  }
  const gateway = await testGateway(t)
  const asked = async (path: string) => {
    const answer = await fetch(gateway.url + path)
    return answer.status === 200 ? answer.text() : answer.status
  }
  return { ...gateway, client: issue('gateway'), upstream, names, handshakes: () => handshakes, asked }
}

test.serial(
  'upstreams with scheme https get TLS with the name of the Host sent; mTLS towards them',
  async (t) => {
    const { put, client, upstream, names, handshakes, asked } = await mutualServer(t)
    const tls = { client_cert: client.cert, client_key: client.key }
    await put('/routes/1', { uri: '/plain', upstream })
    await put('/routes/2', { uri: '/mutual', upstream: { ...upstream, tls } })
    t.is(await asked('/plain'), 'unknown')
    t.is(await asked('/mutual'), 'known')
    t.deepEqual(names, ['backend.example.org', 'backend.example.org'])
    t.is(handshakes(), 2)
    await put('/routes/2', { uri: '/mutual', upstream: { ...upstream, retries: 3, tls } })
    t.is(await asked('/mutual'), 'known')
    t.is(handshakes(), 2, 'another setting is no reason for another connection')
  },
)

test.serial('a certificate towards servers that is an ssls object, changed and taken away', async (t) => {
  const { put, admin, client, upstream, asked } = await mutualServer(t)
  const named = { ...upstream, tls: { client_cert_id: 'gateway' } }
  const refused = async () => String((await admin('PUT', '/upstreams/1', named)).body.error_msg)
  t.is(await refused(), 'failed to fetch ssl info by ssl id [gateway], response code: 404')
  await put('/ssls/gateway', { sni: 'gateway', cert: client.cert, key: client.key })
  t.is(await refused(), 'failed to fetch ssl info by ssl id [gateway], wrong ssl type')
  await put('/ssls/gateway', { type: 'client', cert: client.cert, key: client.key })
  await put('/upstreams/1', named)
  await put('/routes/1', { uri: '/*', upstream_id: '1' })
  t.is(await asked('/'), 'known')
  const stranger = authority(t).issue('gateway')
  await put('/ssls/gateway', { type: 'client', cert: stranger.cert, key: stranger.key })
  t.is(await asked('/'), 'unknown')
  await admin('DELETE', '/ssls/gateway')
  t.is(await asked('/'), 502)
})

test.serial('a certificate towards servers that is kept in the environment', async (t) => {
  const { put, client, upstream, asked } = await mutualServer(t)
  const tls = { client_cert: '$env://PLEXUS_TEST_CERT', client_key: '$env://PLEXUS_TEST_KEY' }
  await put('/routes/1', { uri: '/*', upstream: { ...upstream, tls } })
  t.is(await asked('/'), 503)
  process.env.PLEXUS_TEST_CERT = client.cert
  process.env.PLEXUS_TEST_KEY = client.key
  await put('/routes/1', { uri: '/*', upstream: { ...upstream, tls } })
  t.is(await asked('/'), 'known')
})
