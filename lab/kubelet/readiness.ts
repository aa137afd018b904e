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
  readonly onChange: (ready: boolean) => void
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
    const success = await runProbe(this.#options)
    if (this.#stopped) return
    this.#successes = success ? this.#successes + 1 : 0
    this.#failures = success ? 0 : this.#failures + 1
    if (!this.#ready && this.#successes >= Math.max(1, probe.successThreshold)) this.#change(true)
    else if (this.#ready && this.#failures >= Math.max(1, probe.failureThreshold)) this.#change(false)
    this.#again(this.#everReady ? Math.max(1, probe.periodSeconds) * 1000 : STARTUP_PERIOD_MS)
  }

  #change(ready: boolean): void {
    this.#ready = ready
    this.#everReady ||= ready
    this.#options.onChange(ready)
  }
}

/** One attempt; every failure, also of the probe itself, is "not ready". */
export async function runProbe(options: Omit<ReadinessOptions, 'onChange' | 'initially'>): Promise<boolean> {
  const { probe, container, address } = options
  const timeoutMs = Math.max(1, probe.timeoutSeconds) * 1000
  if (probe.httpGet !== undefined) {
    const { host, path, scheme } = probe.httpGet
    const port = portNumber(container, probe.httpGet.port)
    return port !== undefined && httpProbe({ host: host || address, port, path, scheme, timeoutMs })
  }
  if (probe.tcpSocket !== undefined) {
    const port = portNumber(container, probe.tcpSocket.port)
    return port !== undefined && tcpProbe({ host: probe.tcpSocket.host || address, port, timeoutMs })
  }
  if (probe.exec !== undefined) return execProbe([...options.enter(), ...probe.exec.command], timeoutMs)
  return true
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
}): Promise<boolean> {
  const { host, port, path, timeoutMs } = options
  const secure = options.scheme.toUpperCase() === 'HTTPS'
  return new Promise((resolve) => {
    // kubelet does not verify certificates and takes any status from 200 to 399 for success.
    const common = { host, port, path: path || '/', timeout: timeoutMs, agent: false as const }
    const onResponse = (response: http.IncomingMessage) => {
      response.resume()
      const status = response.statusCode ?? 0
      resolve(status >= 200 && status < 400)
    }
    const request = secure
      ? https.get({ ...common, rejectUnauthorized: false }, onResponse)
      : http.get(common, onResponse)
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(false))
    request.on('close', () => resolve(false))
  })
}

function tcpProbe(options: { host: string; port: number; timeoutMs: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: options.host, port: options.port, timeout: options.timeoutMs })
    const end = (success: boolean) => {
      socket.destroy()
      resolve(success)
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}

function execProbe(argv: readonly string[], timeoutMs: number): Promise<boolean> {
  const [command = 'false', ...args] = argv
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error) => resolve(error === null))
  })
}
