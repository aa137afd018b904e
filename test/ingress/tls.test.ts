import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import http2 from 'node:http2'
import tls from 'node:tls'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { GatewayConfig } from '#ingress'
import { httpBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'

const run = promisify(execFile)

// One after the other: making certificates blocks the process, in which everybody's gateway runs, too.

async function tlsGateway(
  t: ExecutionContext,
  config: Partial<GatewayConfig> = {},
): Promise<TestGateway & { readonly tlsPort: number }> {
  const gateway = await testGateway(t, {
    config: { tlsListen: [{ host: '127.0.0.1', port: 0, http2: true }], ...config },
  })
  return { ...gateway, tlsPort: gateway.gateway.listen[1]?.port ?? 0 }
}

/** The name in the certificate a client gets that asks for `servername`; undefined if the handshake fails. */
function presented(port: number, servername: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      resolve([socket.getPeerCertificate().subject.CN].flat()[0])
      socket.destroy()
    })
    socket.on('error', () => resolve(undefined))
  })
}

/** curl over TLS to a name at the gateway: the status and the body. */
async function curl(
  port: number,
  name: string,
  ...args: string[]
): Promise<{ status: number; body: string }> {
  const options = [
    '-sS',
    '--max-time',
    '20',
    '--resolve',
    `${name}:${port}:127.0.0.1`,
    '-w',
    '\n%{http_code} %{http_version}',
  ]
  const { stdout } = await run('curl', [...options, ...args])
  const end = stdout.lastIndexOf('\n')
  return {
    status: Number(stdout.slice(end + 1).split(' ')[0]),
    body: stdout.slice(0, end) + stdout.slice(end + 5),
  }
}

for (const transport of ['net', 'raw'] as const) {
  test.serial(
    `certificates by server name: exact before wildcard, one label deep, changed without a restart, on ${transport}`,
    async (t) => {
      const { issue, caFile } = authority(t)
      const backend = await httpBackend(t)
      const { tlsPort, put, admin } = await tlsGateway(t, { transport })
      const [shop, wild, renewed] = [
        issue('shop.example.org'),
        issue('*.example.org'),
        issue('renewed.example.org'),
      ]
      await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
      t.is(await presented(tlsPort, 'shop.example.org'), undefined)
      await put('/ssls/shop', { snis: ['shop.example.org'], cert: shop.cert, key: shop.key })
      await put('/ssls/wild', { sni: '*.example.org', cert: wild.cert, key: wild.key })
      t.is(await presented(tlsPort, 'shop.example.org'), 'shop.example.org')
      t.is(await presented(tlsPort, 'other.example.org'), '*.example.org')
      t.is(await presented(tlsPort, 'a.b.example.org'), undefined)
      const answer = await curl(
        tlsPort,
        'shop.example.org',
        '--http1.1',
        '--cacert',
        caFile,
        `https://shop.example.org:${tlsPort}/echo`,
        '-d',
        'hello',
      )
      t.is(answer.status, 200)
      t.true(answer.body.startsWith('hello'))
      t.is(backend.seen[0]?.headers['x-forwarded-proto'], 'https')
      await put('/ssls/shop', { snis: ['shop.example.org'], cert: renewed.cert, key: renewed.key })
      t.is(await presented(tlsPort, 'shop.example.org'), 'renewed.example.org')
      t.is((await admin('GET', '/ssls/shop')).body.value?.key, undefined)
      t.is((await admin('PUT', '/ssls/bad', { sni: 'x.org', cert: shop.cert, key: wild.key })).status, 400)
      t.is((await admin('PUT', '/ssls/bad', { cert: shop.cert, key: shop.key })).status, 400)
      await admin('DELETE', '/ssls/shop')
      t.is(await presented(tlsPort, 'shop.example.org'), '*.example.org')
    },
  )

  test.serial(
    `a client that names nobody gets the certificate of fallback_sni, and the new one after a change, on ${transport}`,
    async (t) => {
      const { issue } = authority(t)
      const { tlsPort: port, put } = await tlsGateway(t, { transport, fallbackSni: 'shop.example.org' })
      t.is(await presented(port, ''), undefined)
      const [first, second] = [issue('shop.example.org'), issue('renewed.example.org')]
      await put('/ssls/1', { sni: 'shop.example.org', cert: first.cert, key: first.key })
      t.is(await presented(port, ''), 'shop.example.org')
      await put('/ssls/1', { sni: 'shop.example.org', cert: second.cert, key: second.key })
      t.is(await presented(port, ''), 'renewed.example.org')
      // wrk and others send an address as a name.
      const asked = ['-connect', `127.0.0.1:${port}`, '-servername', '127.0.0.1']
      const shown = async () =>
        (await run('sh', ['-c', 'openssl s_client "$@" </dev/null', 'sh', ...asked])).stdout
      t.regex(await shown(), /CN ?= ?renewed\.example\.org/)
      await put('/ssls/2', { sni: '127.0.0.1', cert: first.cert, key: first.key })
      t.regex(await shown(), /CN ?= ?shop\.example\.org/)
      await put('/ssls/1', {
        sni: 'shop.example.org',
        cert: second.cert,
        key: second.key,
        client: { ca: first.cert },
      })
      // TLS 1.3 lets a client think for a moment that it has been taken.
      await t.throwsAsync(run('curl', ['-sSk', '--max-time', '20', `https://127.0.0.1:${port}/`]))
    },
  )

  test.serial(
    `mTLS: a certificate of the right authority opens the name, and only that name, on ${transport}`,
    async (t) => {
      const ours = authority(t)
      const theirs = authority(t)
      const backend = await httpBackend(t)
      const { tlsPort, put } = await tlsGateway(t, { transport })
      const server = ours.issue('secret.example.org')
      const open = ours.issue('open.example.org')
      await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
      await put('/ssls/1', {
        sni: 'secret.example.org',
        cert: server.cert,
        key: server.key,
        client: { ca: ours.ca },
      })
      await put('/ssls/2', { sni: 'open.example.org', cert: open.cert, key: open.key })
      const url = `https://secret.example.org:${tlsPort}/`
      const good = ours.issue('client')
      const bad = theirs.issue('client')
      const withCertificate = ({ certFile, keyFile }: typeof good) => [
        '--cert',
        certFile,
        '--key',
        keyFile,
        '--cacert',
        ours.caFile,
      ]
      for (const version of ['--http1.1', '--http2']) {
        t.is((await curl(tlsPort, 'secret.example.org', version, ...withCertificate(good), url)).status, 200)
        await t.throwsAsync(curl(tlsPort, 'secret.example.org', version, ...withCertificate(bad), url))
        await t.throwsAsync(curl(tlsPort, 'secret.example.org', version, '--cacert', ours.caFile, url))
        // A handshake for an open name does not lead to the protected one by its Host.
        const other = `https://open.example.org:${tlsPort}/`
        const sneaky = await curl(
          tlsPort,
          'open.example.org',
          version,
          '--cacert',
          ours.caFile,
          '-H',
          'Host: secret.example.org',
          other,
        )
        t.is(sneaky.status, 400)
        t.is((await curl(tlsPort, 'open.example.org', version, '--cacert', ours.caFile, other)).status, 200)
      }
    },
  )

  test.serial(
    `mTLS with paths that need none: a request without a good certificate gets only those, on ${transport}`,
    async (t) => {
      const ours = authority(t)
      const theirs = authority(t)
      const backend = await httpBackend(t)
      const { tlsPort, put, admin } = await tlsGateway(t, { transport })
      const { cert, key } = ours.issue('secret.example.org')
      await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
      const client = { ca: ours.ca, skip_mtls_uri_regex: ['^/open/', '^/health$'] }
      await put('/ssls/1', { sni: 'secret.example.org', cert, key, client })
      const good = ours.issue('client')
      const bad = theirs.issue('client')
      for (const version of ['--http1.1', '--http2']) {
        const status = async (path: string, ...more: string[]) => {
          const url = `https://secret.example.org:${tlsPort}${path}`
          const flags = ['--path-as-is', '--cacert', ours.caFile, ...more]
          return (await curl(tlsPort, 'secret.example.org', version, ...flags, url)).status
        }
        t.is(await status('/open/x'), 200)
        t.is(await status('/health'), 200)
        t.is(await status('/closed'), 400)
        t.is(await status('/open/../closed'), 400)
        t.is(await status('/%6fpen/x'), 200)
        t.is(await status('/closed', '--cert', good.certFile, '--key', good.keyFile), 200)
        t.is(await status('/closed', '--cert', bad.certFile, '--key', bad.keyFile), 400)
        t.is(await status('/open/x', '--cert', bad.certFile, '--key', bad.keyFile), 200)
      }
      const refused = await admin('PUT', '/ssls/2', {
        sni: 'x.example.org',
        cert,
        key,
        client: { ca: ours.ca, skip_mtls_uri_regex: ['('] },
      })
      t.is(refused.status, 400)
    },
  )
}

for (const transport of ['net', 'raw'] as const) {
  test.serial(`who the client is and what was agreed on are variables, on ${transport}`, async (t) => {
    const { issue, ca, caFile } = authority(t)
    const backend = await httpBackend(t)
    const { tlsPort, put } = await tlsGateway(t, { transport })
    const [server, client] = [issue('shop.example.org'), issue('client')]
    await put('/ssls/1', {
      ...{ sni: 'shop.example.org', cert: server.cert, key: server.key },
      client: { ca, skip_mtls_uri_regex: ['^/'] },
    })
    const names = ['protocol', 'cipher', 'session_reused', 'server_name', 'client_verify']
    const ofClient = ['s_dn', 'i_dn', 'serial', 'fingerprint', 'v_end', 'escaped_cert']
    const variables = [...names, ...ofClient.map((name) => `client_${name}`)]
    const fields = Object.fromEntries(
      variables.map((name) => [`x-${name.replaceAll('_', '-')}`, `$ssl_${name}`]),
    )
    await put('/routes/1', {
      uri: '/*',
      plugins: { 'proxy-rewrite': { headers: { set: fields } } },
      upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
    })
    const shown = new X509Certificate(client.cert)
    for (const version of ['--http1.1', '--http2']) {
      const ask = (...args: string[]) =>
        curl(tlsPort, 'shop.example.org', version, '--tlsv1.3', '--cacert', caFile, ...args)
      const url = `https://shop.example.org:${tlsPort}/`
      t.is((await ask('--cert', client.certFile, '--key', client.keyFile, url)).status, 200)
      const headers = backend.seen.at(-1)?.headers
      const value = (name: string) => headers?.[`x-${name.replaceAll('_', '-')}`]
      // Node's sockets negotiate by a list for the port, not by that of the name.
      const cipher = transport === 'raw' ? 'TLS_AES_128_GCM_SHA256' : 'TLS_AES_256_GCM_SHA384'
      t.deepEqual(names.map(value), ['TLSv1.3', cipher, '.', 'shop.example.org', 'SUCCESS'])
      t.deepEqual(
        ofClient.map((name) => value(`client_${name}`)),
        [
          'CN=client',
          'CN=test authority',
          shown.serialNumber,
          shown.fingerprint.replaceAll(':', '').toLowerCase(),
          shown.validTo,
          encodeURIComponent(client.cert),
        ],
      )
      t.is((await ask(url)).status, 200)
      t.is(backend.seen.at(-1)?.headers['x-client-verify'], 'NONE')
    }
  })
}

test.serial(
  'HTTP/2: requests side by side, bodies both ways, HEAD, an upload without a length, a refusal',
  async (t) => {
    const { issue, ca } = authority(t)
    const backend = await httpBackend(t)
    const { tlsPort, put } = await tlsGateway(t)
    const pair = issue('h2.example.org')
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    await put('/ssls/1', { sni: 'h2.example.org', cert: pair.cert, key: pair.key })
    const session = http2.connect(`https://h2.example.org:${tlsPort}`, {
      ca,
      host: '127.0.0.1',
      servername: 'h2.example.org',
    })
    t.teardown(() => session.destroy())
    const ask = (headers: http2.OutgoingHttpHeaders, body?: Buffer) =>
      new Promise<{ status: number; headers: http2.IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
        const stream = session.request(headers, { endStream: body === undefined })
        const pieces: Buffer[] = []
        let got: http2.IncomingHttpHeaders = {}
        stream.on('response', (one) => {
          got = one
        })
        stream.on('data', (chunk: Buffer) => pieces.push(chunk))
        stream.on('end', () =>
          resolve({ status: Number(got[':status']), headers: got, body: Buffer.concat(pieces) }),
        )
        stream.on('error', reject)
        if (body !== undefined) stream.end(body)
      })
    const large = Buffer.alloc(3_000_000, 'abcdefgh')
    const [plain, head, echoed, sized, refused] = await Promise.all([
      ask({ ':path': '/a?b=c', cookie: ['a=1', 'b=2'], te: 'trailers' }),
      ask({ ':path': '/a', ':method': 'HEAD' }),
      ask({ ':path': '/echo', ':method': 'POST' }, large),
      ask({ ':path': '/echo', ':method': 'POST', 'content-length': 5 }, Buffer.from('hello')),
      ask({ ':path': '/%zz' }),
    ])
    t.is(plain.status, 200)
    const seen = JSON.parse(plain.body.toString()) as { url: string; headers: Record<string, string> }
    t.is(seen.url, '/a?b=c')
    t.is(seen.headers.host, `h2.example.org:${tlsPort}`)
    t.is(seen.headers.cookie, 'a=1; b=2')
    t.is(seen.headers.te, undefined)
    t.is(plain.headers.server, 'Plexus')
    t.deepEqual([head.status, head.body.length], [200, 0])
    t.true(echoed.body.equals(large))
    t.is(sized.body.toString(), 'hello')
    t.is(refused.status, 400)
  },
)
