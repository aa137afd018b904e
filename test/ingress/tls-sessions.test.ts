// Resumed TLS sessions: they work in every process, and never carry what they prove anywhere else.
import { execFile } from 'node:child_process'
import path from 'node:path'
import tls from 'node:tls'
import test from 'ava'
import { parseGatewayConfig } from '#ingress'
import { SharedRecords, sharedBytes } from '../../ingress/sharing/index.ts'
import { SessionKeys } from '../../ingress/tls/index.ts'
import { httpBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'

// One after the other: making certificates blocks the process, in which everybody's gateway runs, too.

const HOUR = 3_600_000
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const tlsListen = [{ host: '127.0.0.1', port: 0, http2: false }]

interface Visit {
  readonly resumed: boolean
  readonly status: number
  readonly session: Buffer | undefined
}

/** One request on a connection of its own; undefined if there is no answer. */
function visit(options: tls.ConnectionOptions & { readonly servername: string }): Promise<Visit | undefined> {
  return new Promise((resolve) => {
    let session: Buffer | undefined
    let text = ''
    let resumed = false
    const socket = tls.connect({ host: '127.0.0.1', ...options }, () =>
      socket.write(`GET / HTTP/1.1\r\nHost: ${options.servername}\r\nConnection: close\r\n\r\n`),
    )
    socket.on('session', (one: Buffer) => {
      session = one
    })
    socket.on('data', (chunk: Buffer) => {
      resumed = socket.isSessionReused()
      text += chunk.toString('latin1')
    })
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => {
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
      resolve(text === '' ? undefined : { resumed, status, session })
    })
  })
}

test.serial(
  'the keys are those of the hour and the purpose, in every process, and the last hour’s are gone',
  (t) => {
    const memory = new ArrayBuffer(sharedBytes())
    let now = 7.5 * HOUR
    const clock = () => now
    const one = new SessionKeys(new SharedRecords(memory), clock)
    const other = new SessionKeys(new SharedRecords(memory, { process: 1 }), clock)
    const stranger = new SessionKeys(new SharedRecords(), clock)
    const first = one.keys(one.period, 'a')
    t.is(first.length, 48)
    t.deepEqual(other.keys(other.period, 'a'), first)
    t.notDeepEqual(one.keys(one.period, 'b'), first)
    t.notDeepEqual(stranger.keys(stranger.period, 'a'), first)
    const before = one.period
    now += HOUR
    const second = other.keys(other.period, 'a')
    t.notDeepEqual(second, first)
    t.deepEqual(one.keys(one.period, 'a'), second)
    t.notDeepEqual(one.keys(before, 'a'), first)
  },
)

test.serial(
  'a session is resumed in whichever process takes the connection; not where tickets are off',
  async (t) => {
    const { issue, ca } = authority(t)
    const backend = await httpBackend(t)
    const { cert, key } = issue('shop.example.org')
    const start = async (config: Parameters<typeof testGateway>[1]) => {
      const { gateway, put } = await testGateway(t, config)
      await put('/ssls/1', { sni: 'shop.example.org', cert, key })
      await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
      return gateway.listen[1]?.port ?? 0
    }
    const port = await start({ config: { tlsListen, workers: 2 } })
    for (const version of VERSIONS) {
      const options = { port, ca, servername: 'shop.example.org', minVersion: version, maxVersion: version }
      const first = await visit(options)
      t.false(first?.resumed)
      t.not(first?.session, undefined)
      for (let count = 0; count < 10; count++) {
        const again = await visit({ ...options, session: first?.session })
        t.deepEqual([again?.resumed, again?.status], [true, 200], version)
      }
    }
    const tlsOff = { protocols: ['TLSv1.2', 'TLSv1.3'], ciphers: undefined, sessionTickets: false }
    const off = await start({ config: { tlsListen, tls: tlsOff } })
    for (const version of VERSIONS) {
      const options = {
        port: off,
        ca,
        servername: 'shop.example.org',
        minVersion: version,
        maxVersion: version,
      }
      const first = await visit(options)
      const again = await visit({ ...options, session: first?.session })
      t.deepEqual([again?.resumed, again?.status], [false, 200], version)
    }
  },
)

/** The same by openssl, which takes a session to any name: '400' or 'resumed 200', 'refused' without an answer. */
async function openssl(port: number, name: string, ...args: string[]): Promise<string> {
  const child = execFile('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', `${name}.example.org`, '-ign_eof'],
    ...args,
  ])
  child.stdin?.on('error', () => {})
  child.stdin?.write(`GET / HTTP/1.1\r\nHost: ${name}.example.org\r\nConnection: close\r\n\r\n`)
  let text = ''
  child.stdout?.on('data', (chunk: string) => {
    text += chunk
  })
  await new Promise((resolve) => child.once('close', resolve))
  const status = /HTTP\/1\.1 (\d+)/.exec(text)?.[1]
  if (status === undefined) return 'refused'
  return text.includes('Reused, TLS') ? `resumed ${status}` : status
}

test.serial(
  'a client certificate that was shown counts in a resumed session: under its name, until the object changes',
  async (t) => {
    const ours = authority(t)
    const theirs = authority(t)
    const backend = await httpBackend(t)
    const { gateway, put } = await testGateway(t, { config: { tlsListen } })
    const port = gateway.listen[1]?.port ?? 0
    const pairs = { secret: ours.issue('secret.example.org'), open: ours.issue('open.example.org') }
    const client = ours.issue('client')
    const object = (name: keyof typeof pairs, demands?: object) => ({
      ...{ sni: `${name}.example.org`, cert: pairs[name].cert, key: pairs[name].key },
      ...(demands === undefined ? {} : { client: demands }),
    })
    await put('/ssls/2', object('open'))
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const directory = temporaryDirectory(t)
    for (const version of ['-tls1_2', '-tls1_3']) {
      await put('/ssls/1', object('secret', { ca: ours.ca }))
      const ask = (name: string, ...args: string[]) => openssl(port, name, version, ...args)
      const file = (name: string) => path.join(directory, `${name}${version}`)
      const proof = ['-cert', client.certFile, '-key', client.keyFile]
      t.is(await ask('secret', ...proof, '-sess_out', file('known')), '200', version)
      t.is(await ask('secret', '-sess_in', file('known')), 'resumed 200', version)
      t.is(await ask('secret'), 'refused', version)
      t.is(await ask('open', '-sess_out', file('open')), '200', version)
      t.is(await ask('open', '-sess_in', file('open')), 'resumed 200', version)
      // Sessions do not move from name to name.
      t.is(await ask('secret', '-sess_in', file('open')), 'refused', version)
      t.is(await ask('open', '-sess_in', file('known')), '200', version)
      await put('/ssls/1', object('secret', { ca: theirs.ca }))
      t.is(await ask('secret', '-sess_in', file('known')), 'refused', version)
      // Who had no certificate has none in the resumed session either.
      await put('/ssls/1', object('secret', { ca: ours.ca, skip_mtls_uri_regex: ['^/none$'] }))
      t.is(await ask('secret', '-sess_out', file('stranger')), '400', version)
      t.is(await ask('secret', '-sess_in', file('stranger')), 'resumed 400', version)
    }
  },
)

test.serial(
  'protocols and ciphers of config.yaml; what OpenSSL does not know is refused by field',
  async (t) => {
    const of = (ssl: string) => parseGatewayConfig(`apisix: { ssl: { ${ssl} } }`, 'config.yaml')
    t.throws(() => of('ssl_protocols: SSLv3'), { message: /apisix\.ssl\.ssl_protocols.*SSLv3/ })
    t.throws(() => of('ssl_ciphers: nonsense'), { message: /apisix\.ssl\.ssl_ciphers/ })
    t.deepEqual(of('').tls, { protocols: ['TLSv1.2', 'TLSv1.3'], ciphers: undefined, sessionTickets: true })
    t.false(of('ssl_session_tickets: false').tls.sessionTickets)
    const { issue } = authority(t)
    const backend = await httpBackend(t)
    const { tls: only } = of('ssl_protocols: TLSv1.2, ssl_ciphers: ECDHE-ECDSA-AES128-GCM-SHA256')
    const { gateway, put } = await testGateway(t, { config: { tlsListen, tls: only } })
    const { cert, key } = issue('shop.example.org')
    await put('/ssls/1', { sni: 'shop.example.org', cert, key })
    await put('/ssls/2', { sni: 'new.example.org', cert, key, ssl_protocols: ['TLSv1.3'] })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const ask = (name: string, ...args: string[]) => openssl(gateway.listen[1]?.port ?? 0, name, ...args)
    t.is(await ask('shop', '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'), '200')
    t.is(await ask('shop', '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'), 'refused')
    t.is(await ask('shop', '-tls1_3'), 'refused')
    t.is(await ask('new', '-tls1_3'), '200')
    const old = ['-tls1_1', '-cipher', 'ALL@SECLEVEL=0']
    t.is(await ask('shop', ...old), 'refused')
    await put('/ssls/4', { sni: 'old.example.org', cert, key, ssl_protocols: ['TLSv1.1', 'TLSv1.2'] })
    t.is(await ask('old', ...old), '200')
    const chosen = async (...ciphers: string[]) => {
      const port = gateway.listen[1]?.port ?? 0
      const socket = tls.connect({
        ...{ host: '127.0.0.1', port, servername: 'standard.example.org', rejectUnauthorized: false },
        ciphers: ciphers.join(':'),
      })
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      const { name } = socket.getCipher()
      socket.destroy()
      return name
    }
    await put('/ssls/3', { sni: 'standard.example.org', cert, key, ssl_protocols: ['TLSv1.3'] })
    const [aes128, aes256] = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']
    const chacha = 'TLS_CHACHA20_POLY1305_SHA256'
    t.is(await chosen(aes256, chacha, aes128), aes128)
    t.is(await chosen(aes256, chacha), aes256)
    // Who names ChaCha20 first has no instructions for AES.
    t.is(await chosen(chacha, aes128), chacha)
  },
)
