import { createSocket, type Socket } from 'node:dgram'
import { type Channel, InFlight, UpstreamError } from './exchange.ts'

export interface UdpChannelOptions {
  readonly address: string
  readonly port: number
  /** a socket (and its source port) is given up after this time */
  readonly expireMs: number
  /** local address */
  readonly source?: string | undefined
  /** tells whether a socket could be reused */
  readonly onUse: (how: 'hit' | 'miss') => void
}

/** Sockets open at a time per upstream: several source ports make forged answers harder to place (RFC 5452 §9.2). */
const spread = 8

interface Line {
  readonly socket: Socket
  readonly inFlight: InFlight
  readonly opened: number
  ready: boolean
  readonly early: Buffer[]
}

/** Queries over connected UDP sockets; each carries many at a time, told apart by their ids. */
export function udpChannel(options: UdpChannelOptions): Channel {
  const label = `${options.address} port ${options.port}`
  let lines: Line[] = []
  let next = 0

  const open = (): Line => {
    const socket = createSocket({ type: options.address.includes(':') ? 'udp6' : 'udp4' })
    const line: Line = {
      socket,
      inFlight: new InFlight(label),
      opened: performance.now(),
      ready: false,
      early: [],
    }
    const broken = (cause: Error): void => {
      drop(line)
      line.inFlight.fail(
        new UpstreamError('DNS_UPSTREAM_UNREACHABLE', `cannot reach ${label}: ${cause.message}`, { cause }),
      )
    }
    socket.on('error', broken)
    socket.on('message', (octets) => {
      line.inFlight.answer(octets)
      if (line.inFlight.size === 0) socket.unref()
      retire(line)
    })
    line.inFlight.onTimeout = () => retire(line)
    const { source } = options
    if (source !== undefined) socket.bind({ port: 0, address: source })
    socket.connect(options.port, options.address, (...failed: unknown[]) => {
      const [error] = failed
      if (error instanceof Error) {
        broken(error)
        return
      }
      line.ready = true
      for (const octets of line.early.splice(0)) socket.send(octets)
    })
    return line
  }
  const drop = (line: Line): void => {
    lines = lines.filter((other) => other !== line)
    close(line.socket)
  }
  /** Closes a socket that is past its time once nothing is under way on it. */
  const retire = (line: Line): void => {
    if (line.inFlight.size === 0 && performance.now() - line.opened > options.expireMs) drop(line)
  }
  const pick = (): Line => {
    const now = performance.now()
    for (const line of lines) retire(line)
    const usable = lines.filter((line) => now - line.opened <= options.expireMs)
    if (usable.length < spread) {
      options.onUse('miss')
      const line = open()
      lines.push(line)
      return line
    }
    options.onUse('hit')
    next = (next + 1) % usable.length
    return usable[next] as Line
  }

  return {
    exchange: (query, questionEnd, timeoutMs) =>
      new Promise((resolve, reject) => {
        const line = pick()
        const octets = line.inFlight.add(query, questionEnd, timeoutMs, { resolve, reject })
        if (octets === undefined) {
          reject(new UpstreamError('DNS_UPSTREAM_UNREACHABLE', `too many queries under way to ${label}`))
          return
        }
        line.socket.ref()
        if (line.ready) line.socket.send(octets)
        else line.early.push(octets)
      }),
    close: () => {
      for (const line of lines) {
        close(line.socket)
        line.inFlight.fail(new UpstreamError('DNS_UPSTREAM_CLOSED', `the connection to ${label} was closed`))
      }
      lines = []
    },
  }
}

function close(socket: Socket): void {
  try {
    socket.close()
  } catch {
    // already closed
  }
}
