import { createSecureContext } from 'node:tls'
import { Deadlines } from '../deadlines.ts'
import { NET_NETWORK } from '../net-network.ts'
import type { AcceptOptions, Network, Port } from '../network.ts'
import type { HandshakeCredentials } from '../tls-settings.ts'
import type { Transport } from '../transport.ts'
import { selfSigned } from './self-signed.ts'

const PATIENCE_MS = 15_000
const LARGE = 4 * 1024 * 1024
const NAME = 'self-test.invalid'
const LOOPBACK = { host: '127.0.0.1', port: 0, reusePort: false }

/**
 * Tries a network on the loopback before anybody relies on it: text, a write too large to go at once, back-pressure, and the
 * end from both sides. Resolves to a sentence about what is wrong, or undefined.
 */
export function selfTest(network: Network): Promise<string | undefined> {
  return talk({
    accept: (options) => network.accept(options),
    connect: (options) => network.connect(options),
    seemsRight: () => true,
  })
}

/** The same over the network's TLS, with Node's own TLS as the client; also who was asked for, and the protocol chosen. */
export function selfTestTls(network: Network): Promise<string | undefined> {
  const options = selfSigned(NAME)
  const credentials: HandshakeCredentials = {
    context: createSecureContext(options),
    options,
    mutual: false,
    exempt: [],
  }
  const tls = {
    alpn: ['h2', 'http/1.1'],
    credentials: (name: string) => (name === NAME ? credentials : undefined),
  }
  return talk({
    accept: (accept) =>
      network.acceptTls({ ...accept, tls, deadlines: new Deadlines(), onHttp2: (one) => one.destroy() }),
    connect: (connect) => NET_NETWORK.connect({ ...connect, tls: { servername: NAME, verify: false } }),
    seemsRight: ({ encrypted, servername, verified }) =>
      encrypted && servername === NAME && verified === false,
  })
}

interface Talk {
  accept(options: AcceptOptions): Promise<Port>
  readonly connect: Network['connect']
  /** What the accepting side says about the connection. */
  seemsRight(transport: Transport): boolean
}

async function talk({ accept, connect, seemsRight }: Talk): Promise<string | undefined> {
  let port: Port | undefined
  let timer: NodeJS.Timeout | undefined
  const transports = new Set<Transport>()
  try {
    const outcome = Promise.withResolvers<string | undefined>()
    timer = setTimeout(() => outcome.resolve('no answer on the loopback in time'), PATIENCE_MS)
    port = await accept({
      ...LOOPBACK,
      onConnection: (transport) => {
        transports.add(transport)
        if (seemsRight(transport)) serve(transport)
        else outcome.resolve('a connection says something else about itself than is true')
      },
    })
    connect({
      ...port.address,
      onConnect: (transport) => {
        transports.add(transport)
        ask(transport, outcome.resolve)
      },
      onError: (error) => outcome.resolve(error.message),
    })
    return await outcome.promise
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    clearTimeout(timer)
    for (const transport of transports) transport.destroy()
    await port?.close()
  }
}

/** Answers "ask" with a word and a large buffer, then ends. */
function serve(transport: Transport): void {
  let asked = ''
  transport.receiver = {
    onData(buffer, length) {
      asked += buffer.toString('latin1', 0, length)
      if (asked !== 'ask') return
      transport.cork()
      transport.write('word')
      transport.write(Buffer.from('s'))
      transport.uncork()
      if (transport.writeHeld(Buffer.alloc(LARGE, 'x'))) transport.end()
    },
    onDrain: () => transport.end(),
    onEnd() {},
    onClose() {},
  }
}

function ask(transport: Transport, resolve: (fault: string | undefined) => void): void {
  let size = 0
  let start = ''
  let ended = false
  transport.receiver = {
    onData(buffer, length) {
      if (size < 5) start += buffer.toString('latin1', 0, Math.min(5 - size, length))
      size += length
    },
    onDrain() {},
    onEnd() {
      ended = true
      transport.end()
    },
    onClose(error) {
      const good = error === undefined && ended && size === LARGE + 5 && start === 'words'
      resolve(good ? undefined : `unexpected bytes or order (${size} received, ended: ${ended})`)
    },
  }
  transport.write('ask')
}
