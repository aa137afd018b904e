import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { netnsInode, peerCredentials } from '#netlink'
import { RememberedPods } from '../nat/remembered.ts'
import { RuleRepair } from '../nat/repair.ts'
import { type CniReply, dispatch } from '../protocol/dispatch.ts'
import type { Plugin } from '../protocol/plugin.ts'
import { descriptorOf, giveReply, takeRequest } from './connection.ts'
import { type ReplyFrame, type RequestFrame, refused } from './frame.ts'
import { CniMetrics } from './metrics.ts'
import { podLabels } from './pod-labels.ts'
import { KeyedQueue } from './queue.ts'

export interface CniServerOptions {
  /** Where the CNI executable finds the agent; the directory is made if missing. */
  readonly socketPath: string
  readonly log: Logger
  readonly metrics: Registry
  readonly plugins: ReadonlyMap<string, Plugin>
  /** What of the overlay is wrong, for STATUS; undefined while it is well, or where there is none. */
  readonly overlayTrouble?: (() => string | undefined) | undefined
}

export interface CniComponent {
  readonly name: 'cni'
  health(): { ok: boolean; detail?: string }
  stop(): Promise<void>
}

/** How soon rules are restored that another program has flushed. */
const ruleIntervalMs = 2000

/** The agent's end of the CNI executable: a root-only unix socket, one request per connection. */
export class CniServer implements CniComponent {
  readonly name = 'cni'
  readonly #options: CniServerOptions
  readonly #server: Server
  readonly #metrics: CniMetrics
  readonly #queue = new KeyedQueue()
  readonly #netns = String(netnsInode('/proc/self/ns/net'))
  #socketInode: bigint | undefined
  #watch: NodeJS.Timeout | undefined

  constructor(options: CniServerOptions) {
    this.#options = options
    this.#metrics = new CniMetrics(options.metrics)
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    )
  }

  /** Resolves once requests are served. A socket left by a dead agent is replaced, one of a living agent is not. */
  async listen(): Promise<void> {
    const { socketPath, log } = this.#options
    // V8 throws away what it has compiled of functions that rest for some minutes, as ours do between pods.
    setFlagsFromString('--no-flush-bytecode')
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 })
    if (await isServed(socketPath)) {
      throw new Error(`CNI socket ${socketPath}: another agent serves it; stop that one or set cni.socket`)
    }
    rmSync(socketPath, { force: true })
    const umask = process.umask(0o177)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen(socketPath, () => resolve())
      })
    } finally {
      process.umask(umask)
    }
    chmodSync(socketPath, 0o600)
    this.#watchRules()
    this.#socketInode = statSync(socketPath, { bigint: true }).ino
    log.info({ object: socketPath }, 'CNI requests are served')
  }

  health(): { ok: boolean; detail?: string } {
    const { socketPath } = this.#options
    try {
      if (statSync(socketPath, { bigint: true }).ino === this.#socketInode) return { ok: true }
    } catch {}
    return { ok: false, detail: `CNI socket ${socketPath} is gone or not ours` }
  }

  #watchRules(): void {
    const { socketPath, log } = this.#options
    const repair = new RuleRepair(new RememberedPods(socketPath), log)
    const look = (): void => {
      try {
        repair.run()
      } catch (error) {
        log.error({ err: error, object: 'nftables' }, 'rules of pods could not be looked at')
      }
    }
    look()
    this.#watch = setInterval(look, ruleIntervalMs)
    this.#watch.unref()
  }

  /** Takes no more requests, finishes those under way. */
  async stop(): Promise<void> {
    clearInterval(this.#watch)
    const ours = this.health().ok
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    if (ours) rmSync(this.#options.socketPath, { force: true })
  }

  #accept(socket: Socket): void {
    const { log } = this.#options
    socket.on('error', () => socket.destroy())
    const peer = peerOf(socket)
    if (peer !== undefined && peer.uid !== 0 && peer.uid !== process.getuid?.()) {
      log.warn({ object: `pid ${peer.pid}`, uid: peer.uid }, 'CNI request refused: not root')
      socket.destroy()
      return
    }
    takeRequest(socket, {
      request: (request) => {
        this.#serve(request).then((reply) => giveReply(socket, reply))
      },
      malformed: (error) => {
        log.warn({ err: error, object: `pid ${peer?.pid ?? 'unknown'}` }, 'CNI request refused')
      },
    })
  }

  async #serve(request: RequestFrame): Promise<ReplyFrame> {
    const { environment, type } = request
    const { log, plugins, overlayTrouble } = this.#options
    if (request.netns !== this.#netns) {
      log.warn(
        { object: `CNI plugin ${type}`, netns: request.netns },
        'request from another network namespace left to the plugin',
      )
      return { exitCode: refused, stdout: '', stderr: '' }
    }
    const started = performance.now()
    // A runtime runs one operation per container at a time, but one that gave up waiting may come again. By type, for
    // a foreign plugin that one of ours delegates to may call us in its turn.
    const turn = `${type}/${environment['CNI_CONTAINERID'] ?? ''}`
    const reply = await this.#queue.run(turn, () => dispatch(request, { plugins, log, overlayTrouble }))
    const durationMs = performance.now() - started
    // The runtime is waiting for its pod; nobody waits for the log.
    setImmediate(() => this.#report(request, reply, durationMs))
    return reply
  }

  #report({ environment, type }: RequestFrame, reply: CniReply, durationMs: number): void {
    const { log } = this.#options
    const command = environment['CNI_COMMAND'] ?? ''
    this.#metrics.observe({ command, succeeded: reply.exitCode === 0, durationMs })
    const entry = {
      ...podLabels(environment),
      command,
      plugin: type,
      containerID: environment['CNI_CONTAINERID'],
      ifname: environment['CNI_IFNAME'],
      durationMs: Math.round(durationMs * 100) / 100,
    }
    if (reply.error === undefined) log.info(entry, `CNI ${command}`)
    else
      log.error(
        { ...entry, code: reply.error.code, err: reply.error },
        `CNI ${command} failed: ${reply.error.message}`,
      )
  }
}

function peerOf(socket: Socket): { pid: number; uid: number } | undefined {
  const fd = descriptorOf(socket)
  return fd === undefined ? undefined : peerCredentials(fd)
}

function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
