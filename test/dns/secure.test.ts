/** DNS over TLS and over HTTPS: listeners with kdig and curl, and upstreams of forward. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import test from 'ava'
import { decodeMessage, encodeMessage, Type } from '../../dns/wire/index.ts'
import { testDirectory } from '../support/index.ts'
import { dig, freePort, queryFor, serve, type Teardown } from './support/index.ts'

const run = promisify(execFile)

/** A certificate for dns.example, signed by itself. */
async function certificate(
  t: Teardown & Parameters<typeof testDirectory>[0],
  name = 'dns.example',
): Promise<{ cert: string; key: string }> {
  const directory = testDirectory(t, 'tls')
  const cert = join(directory, 'cert.pem')
  const key = join(directory, 'key.pem')
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const fresh = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  await run('openssl', [...fresh, '-keyout', key, '-out', cert, ...subject])
  return { cert, key }
}

const hosts = 'hosts /nonexistent {\n  192.0.2.1 x.example\n }'

test('DoT: kdig +tls; a reload with another certificate', async (t) => {
  const { cert, key } = await certificate(t)
  const port = await freePort()
  const file = join(testDirectory(t, 'corefile'), 'Corefile')
  writeFileSync(file, `tls://.:${port} {\n bind 127.0.0.1\n tls ${cert} ${key}\n ${hosts}\n}\n`)
  const { dns, metrics } = await serve(t, file, { file: true })
  const ask = async (): Promise<string> =>
    (
      await run('kdig', [
        '@127.0.0.1',
        '-p',
        String(port),
        '+tls',
        `+tls-ca=${cert}`,
        '+tls-hostname=dns.example',
        '+timeout=10',
        'x.example',
        'A',
      ])
    ).stdout
  t.regex(await ask(), /x\.example\.\s+3600\s+IN\s+A\s+192\.0\.2\.1/)
  const other = await certificate(t)
  writeFileSync(
    file,
    `tls://.:${port} {\n bind 127.0.0.1\n tls ${other.cert} ${other.key}\n prometheus 127.0.0.1:0\n ${hosts}\n}\n`,
  )
  t.true(await dns.reload())
  const fingerprint = await new Promise<string>((resolve, reject) => {
    const socket = connectTls(
      { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['dot'] },
      () => {
        resolve(socket.getPeerCertificate().fingerprint256)
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
  const { stdout } = await run('openssl', ['x509', '-in', other.cert, '-noout', '-fingerprint', '-sha256'])
  t.true(stdout.includes(fingerprint))
  t.regex(await metrics.metrics(), /coredns_plugin_enabled\{server="tls:\/\/127\.0\.0\.1:\d+"/)
})

test('DoH: curl with GET and POST, HTTP/2 and 1.1; what is no query', async (t) => {
  const { cert, key } = await certificate(t)
  const port = await freePort()
  const { metrics } = await serve(
    t,
    `https://.:${port} {\n bind 127.0.0.1\n tls ${cert} ${key}\n ${hosts}\n}\n`,
  )
  const query = encodeMessage(queryFor('x.example.', Type.A))
  const curl = async (path: string, ...more: string[]): Promise<{ head: string; body: Buffer }> => {
    const at = ['--resolve', `dns.example:${port}:127.0.0.1`, '--cacert', cert, '-s', '-i']
    const { stdout } = await run('curl', [...at, ...more, `https://dns.example:${port}${path}`], {
      encoding: 'buffer',
    })
    const end = stdout.indexOf('\r\n\r\n')
    return { head: stdout.subarray(0, end).toString(), body: stdout.subarray(end + 4) }
  }
  const post = join(testDirectory(t, 'doh'), 'query')
  writeFileSync(post, query)
  const type = ['-H', 'content-type: application/dns-message', '--data-binary', `@${post}`]
  const get = `/dns-query?dns=${query.toString('base64url')}`
  for (const [path, ...more] of [
    [get, '--http2'],
    [get, '--http1.1'],
    ['/dns-query', '--http2', ...type],
    ['/dns-query', '--http1.1', ...type],
  ] as [string, ...string[]][]) {
    const { head, body } = await curl(path, ...more)
    t.regex(head, /^HTTP\/[12.]+ 200/)
    t.regex(head, /content-type: application\/dns-message/i)
    t.regex(head, /cache-control: max-age=3600/i)
    t.like(decodeMessage(body).answer[0], { address: '192.0.2.1' })
  }
  t.regex((await curl('/other')).head, / 404/)
  t.regex((await curl('/dns-query')).head, / 400/)
  t.regex((await curl('/dns-query?dns=AAAA')).head, / 400/)
  t.regex((await curl('/dns-query', '-X', 'DELETE')).head, / 405/)
  t.regex((await curl('/dns-query', '-H', 'content-type: text/plain', '--data-binary', 'x')).head, / 415/)
  t.regex(
    await metrics.metrics(),
    /coredns_dns_https_responses_total\{server="https:\/\/127\.0\.0\.1:\d+",status="200"\} 4\n/,
  )
})

test('forward over TLS and over HTTPS; a certificate of somebody else is refused', async (t) => {
  const { cert, key } = await certificate(t)
  const [dot, doh] = [await freePort(), await freePort()]
  await serve(t, `tls://.:${dot} https://.:${doh} {\n bind 127.0.0.1\n tls ${cert} ${key}\n ${hosts}\n}\n`)
  const through = async (upstream: string, ...lines: string[]) => {
    const { port, metrics } = await serve(
      t,
      `. {\n bind 127.0.0.1\n forward . ${upstream} {\n ${lines.join('\n ')}\n }\n}`,
    )
    return {
      dug: await dig(port, 'x.example', 'A'),
      again: await dig(port, 'X.example', 'A'),
      metrics: await metrics.metrics(),
    }
  }
  const good = [`tls ${cert}`, 'tls_servername dns.example']
  for (const [upstream, lines] of [
    [`tls://127.0.0.1:${dot}`, good],
    [`https://127.0.0.1:${doh}`, good],
    [`https://127.0.0.1:${doh}`, [...good, 'doh_method GET']],
    [`tls://127.0.0.1%dns.example:${dot}`, [`tls ${cert}`]],
  ] as [string, string[]][]) {
    const { dug, again, metrics } = await through(upstream, ...lines)
    t.deepEqual(dug.answer, ['x.example. 3600 A 192.0.2.1'], upstream)
    t.is(again.answer.length, 1)
    // One connection carries both.
    t.regex(metrics, /coredns_proxy_conn_cache_hits_total\{[^}]*\} 1\n/)
  }
  for (const upstream of [`tls://127.0.0.1:${dot}`, `https://127.0.0.1:${doh}`]) {
    t.is((await through(upstream, `tls ${cert}`, 'tls_servername other.example')).dug.status, 'SERVFAIL')
    t.is((await through(upstream, 'tls_servername dns.example')).dug.status, 'SERVFAIL')
  }
})

test('tls:// without a certificate, and with files that are none', async (t) => {
  await t.throwsAsync(serve(t, 'tls://.:8853 {\n whoami\n}'), { message: /needs the tls plugin/ })
  await t.throwsAsync(serve(t, 'tls://.:8853 {\n tls /nonexistent /nonexistent\n whoami\n}'), {
    message: /cannot be read/,
  })
  const { cert } = await certificate(t)
  await t.throwsAsync(serve(t, `tls://.:8853 {\n tls ${cert} ${cert}\n whoami\n}`), {
    message: /do not work/,
  })
  await t.throwsAsync(serve(t, 'quic://.:8853 {\n whoami\n}'), { message: /quic:\/\/ is not supported/ })
})

test('DoT: what certificates clients must have; the key log', async (t) => {
  const server = await certificate(t)
  const client = await certificate(t, 'client.example')
  const stranger = await certificate(t, 'stranger.example')
  const keylog = join(testDirectory(t, 'keylog'), 'keys')
  const query = encodeMessage(queryFor('x.example.', Type.A))
  /** True when a query over TLS is answered. */
  const answered = async (port: number, shown: { cert: string; key: string } | undefined): Promise<boolean> =>
    new Promise((resolve) => {
      const own = shown === undefined ? {} : { cert: readFileSync(shown.cert), key: readFileSync(shown.key) }
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...own })
      const frame = Buffer.alloc(2 + query.length)
      frame.writeUInt16BE(query.length)
      frame.set(query, 2)
      socket.on('secureConnect', () => socket.write(frame))
      socket.on('data', () => {
        resolve(true)
        socket.destroy()
      })
      socket.on('error', () => resolve(false))
      socket.on('close', () => resolve(false))
    })
  // Without a certificate, with one that the CA signed, with another one.
  for (const [mode, ...expected] of [
    ['nocert', true, true, true],
    ['request', true, true, true],
    ['require', false, true, true],
    ['verify_if_given', true, true, false],
    ['require_and_verify', false, true, false],
  ] as const) {
    const port = await freePort()
    const lines = `tls ${server.cert} ${server.key} ${client.cert} {\n client_auth ${mode}\n keylog ${keylog}\n }`
    await serve(t, `tls://.:${port} {\n bind 127.0.0.1\n ${lines}\n ${hosts}\n}`)
    const found = [
      await answered(port, undefined),
      await answered(port, client),
      await answered(port, stranger),
    ]
    t.deepEqual(found, [...expected], mode)
  }
  t.regex(readFileSync(keylog, 'utf8'), /^(?:CLIENT|SERVER)_\S+ [0-9a-f]+ [0-9a-f]+$/m)
  await t.throwsAsync(serve(t, 'tls://.:8853 {\n tls {\n acme example.org\n }\n}'), {
    message: /acme is not supported/,
  })
})
