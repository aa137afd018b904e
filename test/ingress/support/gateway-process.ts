import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from './gateway.ts'
import { until } from './until.ts'

const PLEXUS = path.join(import.meta.dirname, '..', '..', '..', 'bin', 'plexus')
const KEY = 'key-of-the-gateway-process'

/** The real binary with that many processes, on free ports. */
export interface GatewayProcess {
  readonly port: number
  /** Writes an object through the Admin API. Throws unless it is taken. */
  put(path: string, body: unknown): Promise<void>
  /** What all its processes have in memory (RSS), in bytes. */
  memory(): number
}

export async function gatewayProcess(
  t: ExecutionContext,
  { workers }: { readonly workers: number },
): Promise<GatewayProcess> {
  const directory = temporaryDirectory(t)
  const config = path.join(directory, 'config.yaml')
  mkdirSync(path.join(directory, 'cluster'))
  writeFileSync(
    config,
    `apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: ${workers}, worker_shutdown_timeout: 200ms }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: a, key: ${KEY}, role: admin }] }
`,
  )
  const argv = ['gateway', '--manifests', path.join(directory, 'cluster'), '--config', config]
  const child = spawn(PLEXUS, [...argv, '--log-format', 'json'], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => ended(child))
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  const line = (message: string) => log.split('\n').find((one) => one.includes(`"msg":"${message}"`))
  if (!(await until(() => line('component serves') !== undefined))) throw new Error(`no gateway: ${log}`)
  const { listen, admin } = JSON.parse(line('gateway serves') ?? '') as {
    listen: { port: number }[]
    admin: { port: number }
  }
  const { pid } = JSON.parse(line('component serves') ?? '') as { pid: number }
  return {
    port: listen[0]?.port ?? 0,
    async put(name, body) {
      const response = await fetch(`http://127.0.0.1:${admin.port}/apisix/admin${name}`, {
        method: 'PUT',
        headers: { 'X-API-KEY': KEY },
        body: JSON.stringify(body),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`PUT ${name}: ${response.status} ${text}`)
    },
    memory: () => [pid, ...childrenOf(pid)].reduce((sum, one) => sum + residentBytes(one), 0),
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exit
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** Memory of its own and shared, proc(5); a process that just ended has none. */
function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
