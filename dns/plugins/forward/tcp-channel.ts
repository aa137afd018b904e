import { connect, type Socket } from 'node:net'
import { connect as connectTls, type SecureContextOptions } from 'node:tls'
import { type Channel, InFlight, UpstreamError } from './exchange.ts'

export interface TcpChannelOptions {
  readonly address: string
  readonly port: number
  /** an idle connection is closed after this time */
  readonly expireMs: number
  /** local address */
  readonly source?: string | undefined
  /** idle connections kept at a time; 0: no limit */
  readonly maxIdle?: number | undefined
  /** a connection is given up after this time; 0: never */
  readonly maxAgeMs: number
  /** DNS over TLS (RFC 7858) if given */
  readonly tls: (SecureContextOptions & { readonly servername: string | undefined }) | undefined
  readonly onUse: (how: 'hit' | 'miss') => void
}

/** Queries under way on one connection before another is opened: one lost segment holds up all behind it. */
const perConnection = 64

interface Line {
  readonly socket: Socket
  readonly inFlight: InFlight
  readonly opened: number
  buffered: Buffer
}

/** Pipelined queries over TCP or TLS connections that stay open for the next ones (RFC 7766 §6.2). */
export function tcpChannel(options: TcpChannelOptions): Channel {
  const label = `${options.tls === undefined ? '' : 'tls://'}${options.address} port ${options.port}`
  let lines: Line[] = []

  const open = (): Line => {
    const { source } = options
    const at = {
      host: options.address,
      port: options.port,
      ...(source === undefined ? {} : { localAddress: source }),
    }
    const socket = options.tls === undefined ? connect({ ...at, noDelay: true }) : tlsSocket(at, options.tls)
    const line: Line = {
      socket,
      inFlight: new InFlight(label),
      opened: performance.now(),
      buffered: Buffer.alloc(0),
    }
    const lost = (code: UpstreamError['code'], cause?: Error): void => {
      lines = lines.filter((other) => other !== line)
      socket.destroy()
      line.inFlight.fail(
        new UpstreamError(code, `connection to ${label}: ${cause?.message ?? 'closed'}`, { cause }),
      )
    }
    socket.setTimeout(options.expireMs, () => {
      if (line.inFlight.size === 0) lost('DNS_UPSTREAM_CLOSED')
    })
    socket.on('error', (error) => lost('DNS_UPSTREAM_UNREACHABLE', error))
    socket.on('close', () => lost('DNS_UPSTREAM_CLOSED'))
    socket.on('data', (chunk: Buffer) => {
      line.buffered = line.buffered.length === 0 ? chunk : Buffer.concat([line.buffered, chunk])
      for (;;) {
        if (line.buffered.length < 2) break
        const end = 2 + line.buffered.readUInt16BE(0)
        if (line.buffered.length < end) break
        line.inFlight.answer(Buffer.from(line.buffered.subarray(2, end)))
        line.buffered = line.buffered.subarray(end)
      }
      if (line.inFlight.size === 0) {
        socket.unref()
        const idle = lines.filter((other) => other.inFlight.size === 0).length
        const tooMany = options.maxIdle !== undefined && options.maxIdle > 0 && idle > options.maxIdle
        if (tooOld(line) || tooMany) lost('DNS_UPSTREAM_CLOSED')
      }
    })
    return line
  }
  const tooOld = (line: Line): boolean =>
    options.maxAgeMs > 0 && performance.now() - line.opened > options.maxAgeMs
  const pick = (): { line: Line; reused: boolean } => {
    const found = lines.find(
      (line) => line.inFlight.size < perConnection && !tooOld(line) && line.socket.writable,
    )
    options.onUse(found === undefined ? 'miss' : 'hit')
    if (found !== undefined) return { line: found, reused: true }
    const line = open()
    lines.push(line)
    return { line, reused: false }
  }
  const attempt = (query: Uint8Array, questionEnd: number, timeoutMs: number): Promise<Buffer> => {
    const { line, reused } = pick()
    const answered = new Promise<Buffer>((resolve, reject) => {
      const octets = line.inFlight.add(query, questionEnd, timeoutMs, { resolve, reject })
      if (octets === undefined) {
        reject(new UpstreamError('DNS_UPSTREAM_UNREACHABLE', `too many queries under way to ${label}`))
        return
      }
      line.socket.ref()
      const framed = Buffer.allocUnsafe(octets.length + 2)
      framed.writeUInt16BE(octets.length, 0)
      octets.copy(framed, 2)
      line.socket.write(framed)
    })
    if (!reused) return answered
    // The peer may have closed an idle connection just now: that is no failure, another one is tried.
    return answered.catch((error: unknown) => {
      if (error instanceof UpstreamError && error.code !== 'DNS_UPSTREAM_TIMEOUT')
        return attempt(query, questionEnd, timeoutMs)
      throw error
    })
  }

  return {
    exchange: attempt,
    close: () => {
      for (const line of lines.splice(0)) {
        line.socket.destroy()
        line.inFlight.fail(new UpstreamError('DNS_UPSTREAM_CLOSED', `the connection to ${label} was closed`))
      }
    },
  }
}

function tlsSocket(
  at: { host: string; port: number },
  tls: SecureContextOptions & { readonly servername: string | undefined },
): Socket {
  const { servername, ...context } = tls
  return connectTls({
    ...at,
    ...context,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['dot'],
    ...(servername === undefined ? {} : { servername }),
  })
}
