import type net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const LONG = process.env.PLEXUS_LONG === '1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What a bad server does with a connection. None of it is an answer that could be passed on. */
const BEHAVIOURS: readonly ((socket: net.Socket) => void)[] = [
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.destroy(),
  (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  (socket) => void socket.once('data', () => socket.end()),
  // Half-closed before it has read anything, and never answering.
  (socket) => void socket.end(),
  (socket) => void socket.once('data', () => socket.write('HTTP/1.1 200')),
  (socket) => void socket.once('data', () => socket.end('SSH-2.0-x\r\n')),
  (socket) => void socket.once('data', () => socket.end(OK.slice(0, 20))),
  (socket) =>
    void socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'),
    ),
]
/** Answers that are good, and what follows them bad for the next request. */
const TRAPS: readonly ((socket: net.Socket) => void)[] = [
  (socket) => void socket.on('data', () => socket.end(OK)),
  (socket) =>
    void socket.once('data', () => socket.write(OK, () => setTimeout(() => socket.resetAndDestroy(), 2))),
  (socket) =>
    void socket.once('data', () => socket.write(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`)),
  (socket) => void socket.once('data', () => socket.end(OK.replace('Content-Length: 2\r\n', ''))),
]

test('whatever bad servers do, a retry that may save a request saves it, and no answer goes to another request', async (t) => {
  const good = await httpBackend(t, { handler: (_request, response) => response.end('ok') })
  let turn = 0
  const bad = await rawBackend(t, (socket) => BEHAVIOURS[turn++ % BEHAVIOURS.length]?.(socket))
  const trap = await rawBackend(t, (socket) => TRAPS[turn++ % TRAPS.length]?.(socket))
  const { url, put } = await testGateway(t)
  const nodes = { [`127.0.0.1:${good.port}`]: 1, [`127.0.0.1:${bad}`]: 1, [`127.0.0.1:${trap}`]: 1 }
  await put('/routes/1', {
    uri: '/*',
    upstream: { nodes, retries: 8, timeout: { connect: 20, send: 20, read: 1 } },
  })
  const answers: string[] = []
  const load = async () => {
    for (let n = 0; n < (LONG ? 500 : 25); n++) {
      const response = await fetch(url, n % 3 === 0 ? { method: 'PUT', body: 'again' } : {})
      answers.push(`${response.status} ${await response.text()}`)
    }
  }
  await Promise.all(Array.from({ length: 6 }, load))
  // A malformed answer is not asked for again: the server has done what it was asked, and may do it twice.
  const odd = answers.filter((answer) => answer !== '200 ok')
  t.deepEqual(
    odd.filter((answer) => !/^50[24] /.test(answer)),
    [],
  )
  t.true(odd.length < answers.length / 4, `${odd.length} of ${answers.length}`)
})

test('a server killed under load costs no request that may be repeated; a slow one is left for another', async (t) => {
  const survivor = await httpBackend(t, { handler: (_request, response) => response.end('ok') })
  const victim = await httpBackend(t, {
    handler: (_request, response) => void setTimeout(() => response.end('ok'), 5),
  })
  const { url, put } = await testGateway(t)
  const nodes = { [`127.0.0.1:${survivor.port}`]: 1, [`127.0.0.1:${victim.port}`]: 1 }
  await put('/routes/1', { uri: '/*', upstream: { nodes } })
  const failed: number[] = []
  let requests = 0
  const load = async () => {
    for (let n = 0; n < 60 || survivor.seen.length < 200; n++) {
      const response = await fetch(url)
      await response.arrayBuffer()
      requests++
      if (response.status !== 200) failed.push(response.status)
    }
  }
  const kill = async () => {
    while (victim.seen.length < 50) await sleep(1)
    await victim.close()
  }
  await Promise.all([kill(), ...Array.from({ length: 8 }, load)])
  t.deepEqual(failed, [], `of ${requests}`)
  const silent = await rawBackend(t, () => {})
  await put('/routes/1', {
    uri: '/*',
    upstream: {
      nodes: { [`127.0.0.1:${silent}`]: 1, [`127.0.0.1:${survivor.port}`]: 1 },
      timeout: { connect: 20, send: 20, read: 2 },
    },
  })
  for (let n = 0; n < 4; n++) t.is((await fetch(url)).status, 200)
  // A POST may have had its effect: the client is told that nobody knows.
  const post = async () => (await fetch(url, { method: 'POST', body: 'x' })).status
  t.deepEqual([await post(), await post()].sort(), [200, 504])
})
