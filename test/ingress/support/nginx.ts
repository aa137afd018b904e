import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from './gateway.ts'

const NGINX = '/usr/sbin/nginx'
export const hasNginx = existsSync(NGINX)

/** A port nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** nginx with these lines in its http section, where PORT stands for a free port; ended with the test. */
export async function nginx(
  t: ExecutionContext,
  http: string,
): Promise<{ readonly port: number; readonly directory: string }> {
  const directory = temporaryDirectory(t)
  for (let attempt = 0; ; attempt++) {
    const port = await freePort()
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
      .join(' ')
    const file = path.join(directory, 'nginx.conf')
    writeFileSync(
      file,
      `worker_processes 1; daemon off; user root; pid ${directory}/pid; error_log ${directory}/error.log;
events { worker_connections 256; }
http { access_log off; ${temporary}
${http.replaceAll('PORT', String(port)).replaceAll('DIRECTORY', directory)}
}`,
    )
    const child = spawn(NGINX, ['-p', directory, '-c', file], { stdio: 'ignore' })
    let ended = false
    child.on('exit', () => {
      ended = true
    })
    t.teardown(async () => {
      child.kill('SIGTERM')
      while (!ended) await sleep(10)
    })
    while (!ended && !(await opens(port))) await sleep(20)
    if (!ended) return { port, directory }
    // Another process may have taken the port in between.
    if (attempt === 5) throw new Error(`nginx does not start; see ${directory}/error.log`)
  }
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
