import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from './gateway.ts'
import { freePort, listening } from './redis.ts'

export const HAS_ETCD = existsSync('/usr/bin/etcd')

export interface TestEtcd {
  readonly url: string
  /** Keys below a prefix with their values. */
  read(prefix: string): Promise<Record<string, string>>
  put(key: string, value: string): Promise<void>
  remove(key: string): Promise<void>
  stop(): Promise<void>
  /** Begins again with the data it had. */
  start(): Promise<void>
  call(path: string, body: unknown): Promise<Record<string, unknown>>
}

const encode = (text: string) => Buffer.from(text).toString('base64')
const decode = (text: string) => Buffer.from(text, 'base64').toString()

/** A real etcd on free loopback ports, ended with the test. */
export async function etcdServer(t: ExecutionContext): Promise<TestEtcd> {
  const directory = temporaryDirectory(t)
  const [client, peer] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${client}`
  let stop: () => Promise<void> = async () => {}
  const start = async () => {
    const words = ['--data-dir', directory, '--listen-client-urls', url, '--advertise-client-urls', url]
    const peers = `http://127.0.0.1:${peer}`
    words.push(
      '--listen-peer-urls',
      peers,
      '--initial-advertise-peer-urls',
      peers,
      '--initial-cluster',
      `default=${peers}`,
    )
    const child = spawn('/usr/bin/etcd', words, {
      stdio: 'ignore',
      env: { ...process.env, ETCD_UNSUPPORTED_ARCH: 'arm64' },
    })
    const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
    stop = async () => {
      child.kill('SIGKILL')
      await ended
    }
    if (!(await listening(client))) throw new Error('etcd does not start')
    // It takes connections before it has elected itself.
    for (let n = 0; n < 400; n++) {
      const healthy = await fetch(`${url}/health`).then(
        (answer) => answer.ok,
        () => false,
      )
      if (healthy) return
      await new Promise((next) => setTimeout(next, 50))
    }
    throw new Error('etcd is not healthy')
  }
  t.teardown(() => stop())
  await start()
  const call: TestEtcd['call'] = async (path, body) => {
    const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
    return (await response.json()) as Record<string, unknown>
  }
  return {
    url,
    call,
    start,
    stop: () => stop(),
    async read(prefix) {
      const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`
      const answer = await call('/v3/kv/range', { key: encode(prefix), range_end: encode(end) })
      const found = (answer.kvs ?? []) as { key: string; value: string }[]
      return Object.fromEntries(found.map(({ key, value }) => [decode(key), decode(value)]))
    },
    async put(key, value) {
      await call('/v3/kv/put', { key: encode(key), value: encode(value) })
    },
    async remove(key) {
      await call('/v3/kv/deleterange', { key: encode(key) })
    },
  }
}
