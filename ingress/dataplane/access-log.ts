import { createWriteStream, type WriteStream } from 'node:fs'
import type { RequestContext } from './context.ts'

/** One line per request, to a file or standard output: in nginx's log_format, or JSON with nginx's variable names. */
export class AccessLog {
  readonly #stream: WriteStream | NodeJS.WriteStream

  readonly #format: ((context: RequestContext) => string) | undefined

  constructor(path: string, format?: ((context: RequestContext) => string) | undefined) {
    this.#format = format
    this.#stream =
      path === '/dev/stdout' ? process.stdout : createWriteStream(path, { flags: 'a', mode: 0o640 })
    // A full disk must not take the gateway down.
    this.#stream.on('error', () => {})
  }

  write(context: RequestContext): void {
    if (this.#format !== undefined) {
      this.#stream.write(`${this.#format(context)}\n`)
      return
    }
    const { exchange } = context
    const line = {
      time: new Date().toISOString(),
      remote_addr: context.remoteAddr,
      request_method: context.method,
      uri: exchange.request.target,
      host: context.rawHost,
      status: exchange.status,
      bytes_sent: exchange.writer.bytes,
      request_length: exchange.bytesReceived,
      request_time: Number(((performance.now() - exchange.startedAt) / 1000).toFixed(4)),
      http_referer: exchange.headers.get('referer') ?? '',
      http_user_agent: exchange.headers.get('user-agent') ?? '',
      upstream_addr: context.upstreamAddr,
      upstream_status: context.upstreamStatus,
      upstream_response_time: Number((context.upstreamMs / 1000).toFixed(4)),
      route_id: context.route?.id ?? '',
      consumer_name: context.consumer?.username ?? '',
      request_id: context.requestId ?? '',
    }
    this.#stream.write(`${JSON.stringify(line)}\n`)
  }

  close(): Promise<void> {
    const stream = this.#stream
    if (stream === process.stdout) return Promise.resolve()
    return new Promise((resolve) => stream.end(() => resolve()))
  }
}
