import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Starts a server, on one CPU when `cpu` is given ('0,1': on two); its stderr is shown only when it ends early. It goes to a file: a pipe
 * that nobody empties while the benchmark waits for a command would stop the server.
 */
export function startServer(
  command: string,
  args: readonly string[],
  options: { cpu?: number | string; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): ChildProcess & { pid: number } {
  const pinned = options.cpu === undefined ? [] : ['taskset', '-c', String(options.cpu)]
  const [program = command, ...rest] = [...pinned, command, ...args]
  const log = join(mkdtempSync(join(tmpdir(), 'plexus-bench-log-')), 'stderr')
  const stderr = openSync(log, 'w')
  const child = spawn(program, rest, {
    stdio: ['ignore', 'ignore', stderr],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  closeSync(stderr)
  child.on('exit', (code, signal) => {
    if (code !== 0 && signal === null)
      console.error(`${command} ended with ${code}:\n${readFileSync(log, 'utf8').slice(-4000)}`)
    rmSync(dirname(log), { recursive: true, force: true })
  })
  if (child.pid === undefined) throw new Error(`${command} did not start`)
  return Object.assign(child, { pid: child.pid })
}

/** Ends a process by its pid and waits for it. */
export function endServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 3000).unref()
  })
}

/** Waits until a TCP port of loopback accepts connections. */
export async function portOpens(port: number, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    if (Date.now() > deadline) throw new Error(`nothing listens on 127.0.0.1:${port} after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Runs a command to its end and returns its standard output. */
export function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${command} ${args.join(' ')} ended with ${code}`)),
    )
  })
}
