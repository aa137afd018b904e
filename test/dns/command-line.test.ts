/** `bin/plexus dns` as a user starts it: flags, exit codes, standard input, signals. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ApiServer } from '../apiserver/api-server.ts'
import { tryCommand, waitUntil } from '../support/index.ts'
import { dig, freePort } from './support/index.ts'

const plexus = new URL('../../bin/plexus', import.meta.url).pathname

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'plexus-dns-cli-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('-version and -plugins print and end with 0', (t) => {
  const version = tryCommand([plexus, 'dns', '-version'], { timeoutMs: 90_000 })
  t.is(version.status, 0)
  t.regex(version.stdout, /^Plexus DNS \d+\.\d+\.\d+, in place of CoreDNS 1\.14/)
  const plugins = tryCommand([plexus, 'dns', '--plugins'], { timeoutMs: 90_000 })
  t.is(plugins.status, 0)
  for (const name of ['kubernetes', 'cache', 'forward', 'multisocket'])
    t.true(plugins.stdout.includes(`dns.${name}\n`))
})

const wrong: readonly (readonly [
  what: string,
  corefile: string | undefined,
  argv: readonly string[],
  error: RegExp,
])[] = [
  ['an unknown flag', '', ['-cnof', 'x'], /unknown argument '-cnof'/],
  [
    'a file that is not there',
    undefined,
    ['-conf', '/nonexistent/Corefile'],
    /cannot read Corefile '\/nonexistent\/Corefile'/,
  ],
  [
    'a misspelt plugin',
    '.:5300 {\n  errors\n  forwrad . 9.9.9.9\n}\n',
    [],
    /Corefile:3: unknown directive 'forwrad'; did you mean 'forward'\?/,
  ],
  ['a brace that is missing', '.:5300 {\n  errors\n', [], /Corefile:1: .*no matching '}'/],
  [
    'an argument that a plugin refuses',
    '.:5300 {\n  bind 127.0.0.1\n  cache 30 x..y\n}\n',
    [],
    /Corefile:3: plugin\/cache: 'x\.\.y' is no zone/,
  ],
]

for (const [what, text, argv, error] of wrong) {
  test(`${what} ends the start with exit code 2 and one clear line`, (t) => {
    const path = folder(t)
    if (text !== undefined) writeFileSync(join(path, 'Corefile'), text)
    const conf = argv.includes('-conf') ? [] : ['-conf', join(path, 'Corefile')]
    const ended = tryCommand([plexus, 'dns', '--manifests', path, ...conf, ...argv], { timeoutMs: 90_000 })
    t.is(ended.status, 2, ended.stderr)
    t.regex(ended.stderr, error)
    t.notRegex(ended.stderr, /^\s+at /m, 'no stack')
  })
}

test('-conf stdin, -dns.port, -pidfile, -quiet; SIGTERM ends it with 0', async (t) => {
  const path = folder(t)
  const port = await freePort()
  const pidfile = join(path, 'pid')
  const child = spawn(
    plexus,
    // biome-ignore format: one command line
    ['dns', '--manifests', path, '-conf', 'stdin', `-dns.port=${port}`, '-pidfile', pidfile, '-quiet', '-workers', '2', '--ready-file', join(path, 'ready')],
    { stdio: ['pipe', 'ignore', 'pipe'] },
  )
  t.teardown(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.end('. {\n  bind 127.0.0.1\n  whoami\n}\n')
  await waitUntil(() => existsSync(join(path, 'ready')), { what: 'the server', timeoutMs: 90_000 })
  t.is(readFileSync(pidfile, 'utf8'), `${child.pid}\n`)
  for (let i = 0; i < 8; i += 1) t.is((await dig(port, 'x.example', 'A')).status, 'NOERROR')
  child.kill('SIGTERM')
  await waitUntil(() => child.exitCode !== null || child.signalCode !== null)
  t.is(child.exitCode, 0, stderr)
  t.is(stderr, '', 'quiet')
  t.false(existsSync(pidfile))
})

test('SIGUSR1 and SIGHUP read the Corefile again without a restart', async (t) => {
  const path = folder(t)
  const port = await freePort()
  const corefile = join(path, 'Corefile')
  const hosts = (address: string): string =>
    `.:${port} {\n  bind 127.0.0.1\n  hosts /nonexistent {\n    ${address} x.example\n  }\n}\n`
  writeFileSync(corefile, hosts('192.0.2.1'))
  const child = spawn(
    plexus,
    ['dns', '--manifests', path, '-conf', corefile, '-workers', '1', '--ready-file', join(path, 'ready')],
    { stdio: 'ignore' },
  )
  t.teardown(() => void child.kill('SIGKILL'))
  await waitUntil(() => existsSync(join(path, 'ready')), { what: 'the server', timeoutMs: 90_000 })
  const address = async (): Promise<string | undefined> =>
    (await dig(port, 'x.example', 'A')).answer[0]?.split(' ').at(-1)
  t.is(await address(), '192.0.2.1')
  for (const [signal, next] of [
    ['SIGUSR1', '192.0.2.2'],
    ['SIGHUP', '192.0.2.3'],
  ] as const) {
    writeFileSync(corefile, hosts(next))
    child.kill(signal)
    await waitUntil(async () => (await address()) === next)
  }
  t.is(child.exitCode, null)
})

test('with --snapshot it serves the last known cluster when it starts while the API server is away', async (t) => {
  const path = folder(t)
  const port = await freePort()
  const corefile = `.:${port} {\n  bind 127.0.0.1\n  kubernetes cluster.local\n}\n`
  writeFileSync(join(path, 'Corefile'), corefile)
  const server = await ApiServer.start()
  let running = true
  t.teardown(async () => {
    if (running) await server.stop()
  })
  server.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'catalog' },
    spec: {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    },
  } as never)
  const kubeconfig = server.writeKubeconfig(join(path, 'kubeconfig'))
  const start = async (ready: string): Promise<{ stop(): Promise<void> }> => {
    const child = spawn(
      plexus,
      // biome-ignore format: one command line
      ['dns', '--kubeconfig', kubeconfig, '--snapshot', join(path, 'snapshot'), '-conf', join(path, 'Corefile'), '-workers', '1', '--ready-file', join(path, ready)],
      { stdio: 'ignore' },
    )
    t.teardown(() => void child.kill('SIGKILL'))
    await waitUntil(() => existsSync(join(path, ready)), { what: `the server (${ready})`, timeoutMs: 90_000 })
    return {
      stop: async () => {
        child.kill('SIGTERM')
        await waitUntil(() => child.exitCode !== null || child.signalCode !== null)
      },
    }
  }
  const name = 'catalog.shop.svc.cluster.local'
  const first = await start('first')
  t.regex((await dig(port, name, 'A')).answer[0] ?? '', /10\.96\.0\.20$/)
  await waitUntil(() => existsSync(join(path, 'snapshot')), { what: 'the snapshot' })
  await first.stop()
  await server.stop()
  running = false
  const second = await start('second')
  t.regex((await dig(port, name, 'A')).answer[0] ?? '', /10\.96\.0\.20$/)
  t.is((await dig(port, 'none.shop.svc.cluster.local', 'A')).status, 'NXDOMAIN')
  await second.stop()
})
