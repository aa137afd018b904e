import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from './gateway.ts'

export const HAS_REDIS = existsSync('/usr/bin/redis-server')

export async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Waits up to 20 seconds for a port to take connections. */
export async function listening(port: number): Promise<boolean> {
  for (let n = 0; n < 400; n++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return true
    await sleep(50)
  }
  return false
}

/** A real Redis on a free loopback port, ended with the test; `options` are further command line words. */
export async function redisServer(
  t: ExecutionContext,
  options: readonly string[] = [],
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  for (let attempt = 0; ; attempt++) {
    const port = await freePort()
    const directory = temporaryDirectory(t)
    const words = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      directory,
      ...options,
    ]
    const child = spawn('/usr/bin/redis-server', words, { stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()))
    const stop = async () => {
      child.kill('SIGKILL')
      await ended
    }
    t.teardown(stop)
    const gone = ended.then(() => false)
    if (await Promise.race([listening(port), gone])) return { port, stop }
    // Somebody took the port in between.
    if (attempt === 4) throw new Error('Redis does not start')
  }
}
