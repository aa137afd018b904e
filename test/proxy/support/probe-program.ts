// Runs inside a namespace: serves and calls as it is told in JSON lines on stdin, answers on stdout.
// A server answers every connection or datagram with "<name> <peer address> <peer port>".
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

interface Ask {
  id: number
  action: 'listen' | 'call' | 'hold' | 'talk' | 'release'
  protocol: 'tcp' | 'udp'
  address: string
  port: number
  name?: string
  localPort?: number
  timeoutMs?: number
}

const held = new Map<string, ReturnType<typeof connect>>()

function listen(ask: Ask): Promise<string> {
  return new Promise((resolve, reject) => {
    const answer = (address: string | undefined, port: number | undefined) => `${ask.name} ${address} ${port}`
    if (ask.protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.on('data', () => socket.write(answer(socket.remoteAddress, socket.remotePort)))
      })
      server.on('error', reject)
      server.listen({ host: ask.address, port: ask.port, backlog: 512 }, () => resolve('listening'))
      return
    }
    const socket = createSocket(ask.address.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', reject)
    socket.on('message', (_, peer) => socket.send(answer(peer.address, peer.port), peer.port, peer.address))
    socket.bind(ask.port, ask.address, () => resolve('listening'))
  })
}

/** The server's answer, or an errno such as ECONNREFUSED, or TIMEOUT. */
function callTcp(ask: Ask): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({
      host: ask.address,
      port: ask.port,
      ...(ask.localPort === undefined ? {} : { localPort: ask.localPort }),
    })
    const done = (text: string) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    const timer = setTimeout(() => done('TIMEOUT'), ask.timeoutMs ?? 3000)
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    socket.on('connect', () => socket.write('?'))
    socket.on('data', (data) => done(data.toString()))
  })
}

function callUdp(ask: Ask): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(ask.address.includes(':') ? 'udp6' : 'udp4')
    const done = (text: string) => {
      clearTimeout(timer)
      socket.close()
      resolve(text)
    }
    const timer = setTimeout(() => done('TIMEOUT'), ask.timeoutMs ?? 3000)
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    socket.on('message', (data) => done(data.toString()))
    socket.bind(ask.localPort ?? 0, () => socket.connect(ask.port, ask.address, () => socket.send('?')))
  })
}

/** Opens a connection and keeps it under a name. */
function hold(ask: Ask): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: ask.address, port: ask.port })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('connect', () => {
      held.set(ask.name ?? '', socket)
      resolve('held')
    })
  })
}

function talk(ask: Ask): Promise<string> {
  const socket = held.get(ask.name ?? '')
  if (socket === undefined) return Promise.resolve('NOT HELD')
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('TIMEOUT'), ask.timeoutMs ?? 3000)
    socket.once('data', (data) => {
      clearTimeout(timer)
      resolve(data.toString())
    })
    socket.write('?')
  })
}

const actions = {
  listen,
  call: (ask: Ask) => (ask.protocol === 'tcp' ? callTcp(ask) : callUdp(ask)),
  hold,
  talk,
  release: (ask: Ask) => {
    held.get(ask.name ?? '')?.destroy()
    return Promise.resolve('released')
  },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const ask = JSON.parse(line) as Ask
  actions[ask.action](ask).then(
    (answer) => process.stdout.write(`${JSON.stringify({ id: ask.id, answer })}\n`),
    (error: Error) =>
      process.stdout.write(`${JSON.stringify({ id: ask.id, answer: `ERROR ${error.message}` })}\n`),
  )
})
process.stdin.on('end', () => process.exit(0))
