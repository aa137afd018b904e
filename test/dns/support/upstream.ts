import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  Rcode,
  type ResourceRecord,
  Type,
} from '../../../dns/wire/index.ts'
import type { Teardown } from './index.ts'

/** What a stub says to a query; undefined: nothing. */
export type Script = (
  query: Message,
  transport: 'udp' | 'tcp',
) => Partial<Message> | undefined | Promise<Partial<Message> | undefined>

export interface Stub {
  readonly port: number
  /** names asked for, in order */
  readonly asked: { name: string; type: number; transport: 'udp' | 'tcp' }[]
  /** how often TCP was connected to */
  readonly connections: () => number
  /** exchanges what it says */
  script: Script
}

/** A name server on loopback, UDP and TCP on one port, that says what a script tells it to. */
export async function stubUpstream(t: Teardown, script: Script): Promise<Stub> {
  const tcp = createServer()
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const address = tcp.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const udp = createSocket('udp4')
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  let connections = 0
  const sockets = new Set<Socket>()
  const stub: Stub = { port, asked: [], connections: () => connections, script }
  const answer = async (octets: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> => {
    const query = decodeMessage(octets)
    const [question] = query.questions
    stub.asked.push({ name: question?.name ?? '', type: question?.type ?? 0, transport })
    const said = await stub.script(query, transport)
    if (said === undefined) return undefined
    return encodeMessage({ ...query, response: true, recursionAvailable: true, additional: [], ...said })
  }
  udp.on('message', (octets, from) => {
    void answer(octets, 'udp').then((reply) => {
      if (reply !== undefined) udp.send(reply, from.port, from.address)
    })
  })
  tcp.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    let buffered = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
        const end = 2 + buffered.readUInt16BE(0)
        void answer(Buffer.from(buffered.subarray(2, end)), 'tcp').then((reply) => {
          if (reply === undefined) return
          const frame = Buffer.alloc(2)
          frame.writeUInt16BE(reply.length)
          socket.write(Buffer.concat([frame, reply]))
        })
        buffered = buffered.subarray(end)
      }
    })
  })
  t.teardown(() => {
    udp.close()
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  return stub
}

/** An A record. */
export function a(name: string, address: string, ttl = 300): ResourceRecord {
  return { kind: 'address', name, type: Type.A, class: 1, ttl, address }
}

/** An SOA for negative answers. */
export function soa(zone: string, ttl = 60): ResourceRecord {
  return {
    kind: 'soa',
    name: zone,
    type: Type.SOA,
    class: 1,
    ttl,
    mname: `ns.${zone}`,
    rname: `root.${zone}`,
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: ttl,
  }
}

/** Answers every A query with one address. */
export function always(address: string, ttl = 300): Script {
  return (query) => ({ answer: query.questions.map(({ name }) => a(name, address, ttl)) })
}

export const nxdomain: Script = () => ({ rcode: Rcode.NXDOMAIN, authority: [soa('example.')] })
