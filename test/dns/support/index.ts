import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import { type DestinationStream, type Logger, pino } from 'pino'
import { Registry } from 'prom-client'
import { type DnsComponent, startDns } from '#dns'
import { type MemorySource, memorySource, openStore, type Store } from '#watch'
import { decodeMessage, encodeMessage, type Message } from '../../../dns/wire/index.ts'

export * from './upstream.ts'

const run = promisify(execFile)

export interface Teardown {
  teardown(body: () => void | Promise<void>): void
}

/** A TCP port of loopback that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A logger that keeps its lines. */
export function memoryLog(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const stream: DestinationStream = { write: (line) => void lines.push(line) }
  return { log: pino({ level: 'debug' }, stream), lines }
}

export interface TestServer {
  readonly dns: DnsComponent
  readonly port: number
  readonly lines: string[]
  readonly metrics: Registry
}

/** Starts a server on 127.0.0.1 and a free port. `corefile` gets keys without a port (`.` or `example.org`). */
export async function serve(
  t: Teardown,
  corefile: string,
  options: { store?: Store; environment?: NodeJS.ProcessEnv; file?: boolean } = {},
): Promise<TestServer> {
  const { log, lines } = memoryLog()
  const metrics = new Registry()
  const dns = await startDns({
    corefile: options.file === true ? corefile : { text: corefile },
    port: 0,
    log,
    metrics,
    store: options.store,
    environment: options.environment,
  })
  t.teardown(() => dns.stop({ lameduck: false }))
  return { dns, port: dns.ports()[0] ?? 0, lines, metrics }
}

/** A store over objects given as Kubernetes JSON. */
export async function clusterOf(
  t: Teardown,
  ...objects: unknown[]
): Promise<{ store: Store; source: MemorySource }> {
  const source = memorySource({ standalone: false })
  source.apply(...objects)
  const store = await openStore({ source, log: pino({ level: 'silent' }) })
  t.teardown(() => store.close())
  return { store, source }
}

/** What dig says: status, flags and the records of each section as 'name ttl type data'. */
export interface Dug {
  readonly status: string
  readonly flags: readonly string[]
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly additional: readonly string[]
  readonly text: string
}

/** Asks with dig, e.g. dig(port, 'example.org', 'A', '+tcp'). */
export async function dig(port: number, ...args: string[]): Promise<Dug> {
  const { stdout } = await run('dig', [
    '@127.0.0.1',
    '-p',
    String(port),
    '+tries=1',
    '+time=10',
    '+nocookie',
    ...args,
  ]).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }))
  const section = (name: string): string[] => {
    const match = new RegExp(`;; ${name} SECTION:\\n([\\s\\S]*?)\\n\\n`).exec(`${stdout}\n\n`)
    return (match?.[1] ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/\s+/g, ' ').replace(' IN ', ' '))
  }
  return {
    status: /status: ([A-Z]+)/.exec(stdout)?.[1] ?? 'NONE',
    flags: (/flags: ([a-z ]*)/.exec(stdout)?.[1] ?? '').split(' '),
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
    text: stdout,
  }
}

/** Sends octets over UDP and resolves with what comes back, or undefined when nothing does in time. */
export async function sendUdp(
  port: number,
  octets: Uint8Array,
  timeoutMs = 10_000,
): Promise<Buffer | undefined> {
  const socket = createSocket('udp4')
  try {
    socket.send(octets, port, '127.0.0.1')
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer]
    return reply
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}

/** Opens a TCP connection, writes all messages at once and resolves with the first `count` answers. */
export async function sendTcp(
  port: number,
  messages: readonly Uint8Array[],
  count = messages.length,
): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1')
  const frames = messages.map((message) => {
    const frame = Buffer.alloc(message.length + 2)
    frame.writeUInt16BE(message.length)
    frame.set(message, 2)
    return frame
  })
  socket.write(Buffer.concat(frames))
  const replies: Buffer[] = []
  let buffered = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      const end = 2 + buffered.readUInt16BE(0)
      replies.push(Buffer.from(buffered.subarray(2, end)))
      buffered = buffered.subarray(end)
    }
    if (replies.length >= count) break
  }
  socket.destroy()
  return replies
}

/** A query message. */
export function queryFor(name: string, type: number, change: Partial<Message> = {}): Message {
  return {
    id: 4711,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name, type, class: 1 }],
    answer: [],
    authority: [],
    additional: [],
    edns: undefined,
    ...change,
  }
}

/** Asks over UDP with our own codec. */
export async function ask(
  port: number,
  name: string,
  type: number,
  change: Partial<Message> = {},
): Promise<Message | undefined> {
  const reply = await sendUdp(port, encodeMessage(queryFor(name, type, change)))
  return reply === undefined ? undefined : decodeMessage(reply)
}
