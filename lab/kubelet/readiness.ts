import { execFile } from 'node:child_process'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { Container, IntOrString, Probe } from '#watch'

/** Until a container is ready for the first time it is asked this often, whatever its period: the lab is impatient. */
const STARTUP_PERIOD_MS = 50

export interface ReadinessOptions {
  readonly container: Container
  readonly probe: Probe
  /** The Pod's address, asked unless the probe names a host. */
  readonly address: string
  /** Prefix that runs a command inside the container, e.g. `nsenter -t PID ...`. */
  readonly enter: () => readonly string[]
  /** What a former kubelet knew of this very process. */
  readonly initially: boolean
  /** `why` says what the probe found when the container is no longer ready. */
  readonly onChange: (ready: boolean, why: string | undefined) => void
}

/** Asks a container again and again whether it is ready, and tells when the answer changes (kubelet's prober). */
export class Readiness {
  readonly #options: ReadinessOptions
  #ready: boolean
  #everReady: boolean
  #successes = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: ReadinessOptions) {
    this.#options = options
    this.#ready = options.initially
    this.#everReady = options.initially
    this.#again(options.probe.initialDelaySeconds * 1000)
  }

  get ready(): boolean {
    return this.#ready
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #again(delayMs: number): void {
    if (!this.#stopped) this.#timer = setTimeout(() => this.#ask(), delayMs)
  }

  async #ask(): Promise<void> {
    const { probe } = this.#options
    const failure = await runProbe(this.#options)
    if (this.#stopped) return
    this.#successes = failure === undefined ? this.#successes + 1 : 0
    this.#failures = failure === undefined ? 0 : this.#failures + 1
    if (!this.#ready && this.#successes >= Math.max(1, probe.successThreshold)) this.#change(true)
    else if (this.#ready && this.#failures >= Math.max(1, probe.failureThreshold))
      this.#change(false, failure)
    this.#again(this.#everReady ? Math.max(1, probe.periodSeconds) * 1000 : STARTUP_PERIOD_MS)
  }

  #change(ready: boolean, why?: string): void {
    this.#ready = ready
    this.#everReady ||= ready
    this.#options.onChange(ready, why)
  }
}

/** One attempt. Resolves to undefined if the container is ready, else to what is wrong, as does a probe that cannot be made. */
export async function runProbe(
  options: Omit<ReadinessOptions, 'onChange' | 'initially'>,
): Promise<string | undefined> {
  const { probe, container, address } = options
  const timeoutMs = Math.max(1, probe.timeoutSeconds) * 1000
  const target = probe.httpGet ?? probe.tcpSocket
  if (target !== undefined) {
    const port = portNumber(container, target.port)
    if (port === undefined) return `the container has no port named "${target.port}"`
    const common = { host: target.host || address, port, timeoutMs }
    return probe.httpGet === undefined ? tcpProbe(common) : httpProbe({ ...probe.httpGet, ...common })
  }
  if (probe.exec !== undefined) return execProbe([...options.enter(), ...probe.exec.command], timeoutMs)
  return undefined
}

/** A probe's port: a number, or the name of one of the container's ports. */
export function portNumber(container: Container, port: IntOrString): number | undefined {
  if (typeof port === 'number') return port
  return container.ports.find(({ name }) => name === port)?.containerPort
}

function httpProbe(options: {
  host: string
  port: number
  path: string
  scheme: string
  timeoutMs: number
}): Promise<string | undefined> {
  const { host, port, path, timeoutMs } = options
  const secure = options.scheme.toUpperCase() === 'HTTPS'
  return new Promise((resolve) => {
    // kubelet does not verify certificates and takes any status from 200 to 399 for success.
    const common = { host, port, path: path || '/', timeout: timeoutMs, agent: false as const }
    const onResponse = (response: http.IncomingMessage) => {
      response.resume()
      const status = response.statusCode ?? 0
      resolve(status >= 200 && status < 400 ? undefined : `status ${status}`)
    }
    const request = secure
      ? https.get({ ...common, rejectUnauthorized: false }, onResponse)
      : http.get(common, onResponse)
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', (error) => resolve(error.message))
    request.on('close', () => resolve('closed without an answer'))
  })
}

function tcpProbe(options: { host: string; port: number; timeoutMs: number }): Promise<string | undefined> {
  const { host, port, timeoutMs } = options
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: timeoutMs })
    const end = (failure: string | undefined) => {
      socket.destroy()
      resolve(failure)
    }
    socket.on('connect', () => end(undefined))
    socket.on('timeout', () => end(`no connection within ${timeoutMs} ms`))
    socket.on('error', (error) => end(error.message))
  })
}

function execProbe(argv: readonly string[], timeoutMs: number): Promise<string | undefined> {
  const [command = 'false', ...args] = argv
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error) =>
      resolve(error === null ? undefined : error.message.trim()),
    )
  })
}
