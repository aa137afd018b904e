import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { encodeMessage, Type } from '../../../dns/wire/index.ts'
import { queryFor } from './index.ts'

const sockets = 16
/** how long the last answers are waited for */
const patienceMs = 20_000

export interface LoadReport {
  readonly sent: number
  /** never answered */
  readonly lost: number
  /** answered with another code than NOERROR */
  readonly wrong: number
}

export interface SteadyLoad {
  /** Ends it when all answers are there, or will not come. The same report when called again. */
  stop(): Promise<LoadReport>
}

/** Asks for one name again and again, each query once: none is repeated, so that what is lost is seen. */
export async function steadyLoad(options: {
  readonly port: number
  readonly name: string | (() => string)
  readonly perSecond: number
}): Promise<SteadyLoad> {
  const { port, name, perSecond } = options
  const clients = await Promise.all(Array.from({ length: sockets }, () => client(port)))
  let sent = 0
  let report: Promise<LoadReport> | undefined
  const begin = performance.now()
  const timer = setInterval(() => {
    const due = Math.min(sent + 200, Math.floor(((performance.now() - begin) / 1000) * perSecond))
    for (; sent < due; sent += 1) clients[sent % sockets]?.ask(typeof name === 'string' ? name : name())
  }, 5)
  const finish = async (): Promise<LoadReport> => {
    clearInterval(timer)
    const deadline = performance.now() + patienceMs
    const waiting = (): number => clients.reduce((sum, { pending }) => sum + pending.size, 0)
    while (waiting() > 0 && performance.now() < deadline) await new Promise((next) => setTimeout(next, 20))
    const lost = waiting()
    const wrong = clients.reduce((sum, one) => sum + one.wrong, 0)
    for (const { socket } of clients) socket.close()
    return { sent, lost, wrong }
  }
  return { stop: () => (report ??= finish()) }
}

interface Client {
  readonly socket: Socket
  readonly pending: Set<number>
  wrong: number
  ask(name: string): void
}

async function client(port: number): Promise<Client> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  const pending = new Set<number>()
  let id = 0
  const made: Client = {
    socket,
    pending,
    wrong: 0,
    ask: (name) => {
      id = (id + 1) & 0xffff
      pending.add(id)
      socket.send(encodeMessage(queryFor(name, Type.A, { id })))
    },
  }
  socket.on('message', (octets) => {
    if (!pending.delete(octets.readUInt16BE(0))) return
    if (((octets[3] as number) & 15) !== 0) made.wrong += 1
  })
  // A refused port is a lost query; it shows as one that is never answered.
  socket.on('error', () => undefined)
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return made
}
