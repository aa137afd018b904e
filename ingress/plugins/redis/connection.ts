import net from 'node:net'
import tls from 'node:tls'
import { encodeCommand, RedisReplyError, type Reply, ReplyReader } from './protocol.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

export interface RedisSettings {
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly database: number
  /** For connecting and for each command, in ms. */
  readonly timeoutMs: number
  readonly ssl: boolean
  readonly sslVerify: boolean
}

interface Waiting {
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** One connection to a Redis server; commands are pipelined. Broken once, broken for good: make another. */
export class RedisConnection {
  readonly #socket: net.Socket
  readonly #reader = new ReplyReader()
  readonly #waiting: Waiting[] = []
  readonly #timeoutMs: number
  /** Unanswered AUTH and SELECT, and what is sent after them. */
  #introductions = 0
  readonly #held: string[] = []
  #oldest: NodeJS.Timeout | undefined
  broken = false

  constructor(address: RedisAddress, settings: RedisSettings) {
    this.#timeoutMs = settings.timeoutMs
    const { host, port } = address
    this.#socket = settings.ssl
      ? tls.connect({ host, port, servername: host, rejectUnauthorized: settings.sslVerify })
      : net.connect({ host, port })
    this.#socket.setNoDelay(true)
    this.#socket.unref()
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error(`Redis at ${host}:${port} closed the connection`)))
    const { password, username, database } = settings
    if (password !== undefined)
      this.#introduce(username === undefined ? ['AUTH', password] : ['AUTH', username, password])
    if (database !== 0) this.#introduce(['SELECT', database])
  }

  /** Commands wait until the server agrees to this: none runs as another user or in another database. */
  #introduce(command: readonly (string | number)[]): void {
    this.#introductions++
    const resolve = () => {
      this.#introductions--
      if (this.#introductions === 0) this.#socket.write(this.#held.splice(0).join(''))
    }
    this.#waiting.push({ resolve, reject: (error) => this.#fail(error) })
    this.#socket.write(encodeCommand(command))
    this.#watch()
  }

  /** Rejects with the server's error, or if there is no answer in time (which ends the connection). */
  send(command: readonly (string | number)[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.broken) {
        reject(new Error('the connection to Redis is broken'))
        return
      }
      this.#waiting.push({ resolve, reject })
      const bytes = encodeCommand(command)
      if (this.#introductions === 0) this.#socket.write(bytes)
      else this.#held.push(bytes)
      this.#watch()
    })
  }

  #watch(): void {
    this.#oldest ??= setTimeout(
      () => this.#fail(new Error(`Redis did not answer within ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    )
  }

  #receive(chunk: Buffer): void {
    try {
      for (const reply of this.#reader.push(chunk)) {
        clearTimeout(this.#oldest)
        this.#oldest = undefined
        const waiting = this.#waiting.shift()
        if (reply instanceof RedisReplyError) waiting?.reject(reply)
        else waiting?.resolve(reply)
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    if (this.#waiting.length > 0) this.#watch()
  }

  #fail(error: Error): void {
    if (this.broken) return
    this.broken = true
    clearTimeout(this.#oldest)
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
