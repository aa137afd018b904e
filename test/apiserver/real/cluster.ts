import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, hash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { stopProcess, testDirectory, tryCommand, waitUntil } from '../../support/index.ts'
import type { Teardown } from '../../support/namespace.ts'
import { type Certificates, makeCertificates } from '../certificates.ts'

/** What is missing for a real control plane, as one line; undefined if nothing is. */
export function missingForRealCluster(): string | undefined {
  for (const [program, hint] of [
    ['etcd', "Debian's etcd-server"],
    ['kubectl', "Debian's kubernetes-client"],
  ] as const) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
      return `no ${program} here: ${hint} has it`
  }
  if (existsSync(binary())) return undefined
  if (spawnSync('go', ['version']).status !== 0) return 'no kube-apiserver here, and no Go to build it with'
  if (process.env['PLEXUS_LONG'] === undefined)
    return `no kube-apiserver built yet, which takes minutes: once with PLEXUS_LONG=1, then it is in ${binary()}`
  return build()
}

/** Kept between runs, by what it is built from. */
function binary(): string {
  const sources = ['go.mod', 'main.go'].map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(cache, 'plexus', `kube-apiserver-${hash('sha256', sources.join('')).slice(0, 12)}`)
}

function build(): string | undefined {
  const target = binary()
  mkdirSync(join(target, '..'), { recursive: true })
  const part = `${target}.${process.pid}`
  const built = tryCommand(['go', 'build', '-o', part, '.'], {
    cwd: import.meta.dirname,
    timeoutMs: 1_800_000,
  })
  if (built.status !== 0) return `kube-apiserver does not build: ${built.stderr.trim().split('\n').at(-1)}`
  renameSync(part, target)
  return undefined
}

/** A kube-apiserver with etcd on the loopback interface, with RBAC; ended with the test. */
export class RealCluster {
  readonly directory: string
  readonly url: string
  readonly #certificates: Certificates
  readonly #argv: readonly string[]
  readonly #t: Teardown
  #server: ChildProcess | undefined
  #log = ''

  private constructor(t: Teardown, ports: readonly number[]) {
    this.#t = t
    this.directory = testDirectory(t, 'real')
    const [etcd, , port] = ports
    this.url = `https://127.0.0.1:${port}`
    this.#certificates = makeCertificates()
    const file = (name: string, content: string): string => {
      const path = join(this.directory, name)
      writeFileSync(path, content, { mode: 0o600 })
      return path
    }
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const users = ['admin,admin,1,"system:masters"', ...tokens.map((name) => `${name},${name},${name}`)]
    this.#argv = [
      binary(),
      `--etcd-servers=http://127.0.0.1:${etcd}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=192.0.2.1',
      `--secure-port=${port}`,
      `--tls-cert-file=${file('server.crt', this.#certificates.cert)}`,
      `--tls-private-key-file=${file('server.key', this.#certificates.key)}`,
      `--token-auth-file=${file('tokens.csv', `${users.join('\n')}\n`)}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString())}`,
      `--service-account-signing-key-file=${file('sa.key', privateKey.export({ type: 'sec1', format: 'pem' }).toString())}`,
      '--disable-admission-plugins=ServiceAccount',
      '--endpoint-reconciler-type=none',
      // As kubeadm has it: node agents are privileged.
      '--allow-privileged=true',
      `--cert-dir=${join(this.directory, 'certs')}`,
    ]
  }

  static async start(t: Teardown): Promise<RealCluster> {
    const ports = await freePorts(3)
    const cluster = new RealCluster(t, ports)
    await cluster.#startEtcd(ports)
    await cluster.startServer()
    return cluster
  }

  async #startEtcd([client = 0, peer = 0]: readonly number[]): Promise<void> {
    const own = `http://127.0.0.1:${peer}`
    const etcd = spawn(
      'etcd',
      [
        `--data-dir=${join(this.directory, 'etcd')}`,
        `--listen-client-urls=http://127.0.0.1:${client}`,
        `--advertise-client-urls=http://127.0.0.1:${client}`,
        `--listen-peer-urls=${own}`,
        `--initial-advertise-peer-urls=${own}`,
        `--initial-cluster=default=${own}`,
      ],
      { stdio: 'ignore' },
    )
    this.#t.teardown(() => stopProcess(etcd))
  }

  /** Starts the API server, the first time or again; resolves when it is ready. */
  async startServer(): Promise<void> {
    const [program = '', ...args] = this.#argv
    const server = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    server.stderr.on('data', (chunk: Buffer) => (this.#log = (this.#log + chunk).slice(-4000)))
    this.#server = server
    this.#t.teardown(() => stopProcess(server))
    await waitUntil(
      () =>
        server.exitCode !== null || tryCommand([...this.#kubectl(), 'get', '--raw', '/readyz']).status === 0,
      { what: 'the API server to be ready', timeoutMs: 150_000, intervalMs: 500 },
    )
    if (server.exitCode !== null) throw new Error(`kube-apiserver ended:\n${this.#log}`)
  }

  /** Ends the API server without a farewell. */
  async killServer(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()))
    server.kill('SIGKILL')
    await gone
  }

  /** A kubeconfig for a user: `admin`, or one of the components. */
  kubeconfig(user: string): string {
    const file = join(this.directory, `kubeconfig-${user}`)
    const ca = Buffer.from(this.#certificates.ca).toString('base64')
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'real',
      clusters: [{ name: 'real', cluster: { server: this.url, 'certificate-authority-data': ca } }],
      users: [{ name: user, user: { token: user } }],
      contexts: [{ name: 'real', context: { cluster: 'real', user, namespace: 'kube-system' } }],
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  #kubectl(): string[] {
    return ['kubectl', `--kubeconfig=${this.kubeconfig('admin')}`]
  }

  /** kubectl as the administrator; returns its stdout, throws with its stderr. */
  kubectl(args: readonly string[], input?: string): string {
    const { status, stdout, stderr } = tryCommand([...this.#kubectl(), ...args], { input, timeoutMs: 60_000 })
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
    return stdout
  }
}

/** Users, and their tokens, one for each component. */
const tokens = [
  'plexus-proxy',
  'plexus-dns',
  'plexus-gateway',
  'plexus-overlay',
  'plexus-cni',
  'plexus-policy',
]

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
