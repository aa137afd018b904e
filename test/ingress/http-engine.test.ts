import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import type http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const run = promisify(execFile)

/** A gateway with one route for everything to the ports given. */
async function proxy(t: ExecutionContext, ports: readonly number[], route: Record<string, unknown> = {}) {
  const gateway = await testGateway(t)
  const nodes = Object.fromEntries(ports.map((port) => [`127.0.0.1:${port}`, 1]))
  await gateway.put('/routes/1', {
    uri: '/*',
    upstream: { nodes, ...(route.upstream as object) },
    ...without(route, 'upstream'),
  })
  return gateway
}

function without(record: Record<string, unknown>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name))
}

const count = (text: string, part: string) => text.split(part).length - 1

test('pipelined requests are answered in order on one connection', async (t) => {
  const backend = await httpBackend(t)
  const { port } = await proxy(t, [backend.port])
  const requests = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
  const text = await exchange(
    port,
    requests,
    (got) => count(got, 'HTTP/1.1 200') === 3 && got.includes('"/3"'),
  )
  t.true(text.indexOf('"/1"') < text.indexOf('"/2"') && text.indexOf('"/2"') < text.indexOf('"/3"'))
})

test('a request that arrives byte by byte is one request', async (t) => {
  const backend = await httpBackend(t)
  const { port } = await proxy(t, [backend.port])
  const bytes = [
    ...'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n',
  ]
  const text = await exchange(port, bytes)
  t.is(statusOf(text), 200)
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  t.true(body.endsWith('0\r\n\r\n'), JSON.stringify(text))
  t.is(body.replace(/[0-9]|\r\n/g, ''), 'abcde')
})

test('the end of a body that arrives in pieces is not mixed with what other connections send', async (t) => {
  const seen: (string | undefined)[] = []
  const handler = (request: http.IncomingMessage, response: http.ServerResponse) => {
    request.resume()
    request.on('end', () => {
      seen.push(request.trailers['x-sum'])
      response.end('done')
    })
  }
  const { port } = await proxy(t, [(await httpBackend(t, { handler })).port])
  const head = 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
  for (const [first, last] of [
    ['1\r\na\r\n0\r\n\r', '\n'],
    ['1\r\na\r\n0\r\nX-Su', 'm: 7\r\n\r\n'],
  ] as const) {
    const other = async () => {
      await exchange(port, 'GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      return last
    }
    const text = await exchange(port, [head, first, other])
    t.is(statusOf(text), 200, text)
  }
  t.deepEqual(
    seen.filter((sum) => sum !== undefined),
    ['7'],
  )
})

test('big bodies both ways, with length and chunked, arrive whole', async (t) => {
  const backend = await httpBackend(t)
  const { url } = await proxy(t, [backend.port])
  const body = randomBytes(12_000_000)
  const digest = createHash('sha256').update(body).digest('hex')
  const sum = async (response: Response) =>
    createHash('sha256')
      .update(Buffer.from(await response.arrayBuffer()))
      .digest('hex')
  t.is(await sum(await fetch(`${url}/echo`, { method: 'POST', body })), digest)
  const stream = new Blob([body]).stream()
  t.is(await sum(await fetch(`${url}/echo`, { method: 'POST', body: stream, duplex: 'half' })), digest)
})

test('a client that ends the connection with its request gets the whole answer, whatever its size', async (t) => {
  const handler = (request: http.IncomingMessage, response: http.ServerResponse) =>
    response.end(Buffer.alloc(Number(request.url?.slice(1)), 'x'))
  const { port } = await proxy(t, [(await httpBackend(t, { handler })).port])
  for (const size of [0, 1000, 100_000, 5_000_000]) {
    const text = await exchange(port, `GET /${size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.is(statusOf(text), 200)
    t.is(text.length - text.indexOf('\r\n\r\n') - 4, size)
  }
})

test('a slow reader holds the upstream back instead of filling memory', async (t) => {
  const size = 200_000_000
  let sent = 0
  const port = await rawBackend(t, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      const piece = Buffer.alloc(65_536)
      const more = () => {
        while (sent < size) {
          sent += piece.length
          if (!socket.write(piece)) return
        }
      }
      socket.on('drain', more)
      more()
    })
  })
  const { port: gateway } = await proxy(t, [port])
  const client = net.connect(gateway, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.on('error', () => {})
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await new Promise((resolve) => client.once('data', resolve))
  client.pause()
  let before = -1
  for (let n = 0; n < 100 && before !== sent; n++) {
    before = sent
    await sleep(100)
  }
  t.true(sent < 60_000_000, `the upstream got rid of ${sent} bytes although nobody reads`)
  client.resume()
  let received = 0
  await new Promise<void>((resolve) => {
    client.on('data', (chunk) => {
      received += chunk.length
      if (received > 100_000_000) resolve()
    })
  })
  t.pass()
})

test('HEAD, 204 and 304 have no body and leave the connection in order', async (t) => {
  const backend = await httpBackend(t, {
    handler: (request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': 1000 }).end()
      else
        response.writeHead(Number(request.url?.slice(1)), request.url === '/304' ? { ETag: '"x"' } : {}).end()
    },
  })
  const { port } = await proxy(t, [backend.port])
  const requests = ['HEAD /200', 'GET /204', 'GET /304', 'HEAD /200'].map(
    (line) => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`,
  )
  const text = await exchange(port, requests.join(''), (got) => count(got, '\r\n\r\n') === 4)
  t.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
    ['200', '204', '304', '200'],
  )
  t.is(count(text, 'Content-Length: 1000'), 2)
  t.is(count(text, 'Transfer-Encoding'), 0)
})

test('Expect: 100-continue is answered when the body is wanted, and not when it is refused', async (t) => {
  const backend = await httpBackend(t)
  const { url, port } = await proxy(t, [backend.port])
  const { stdout } = await run('curl', [
    '-s',
    '-v',
    '-H',
    'Expect: 100-continue',
    '-d',
    'hello',
    '--stderr',
    '-',
    `${url}/echo`,
  ])
  t.regex(stdout, /HTTP\/1\.1 100 Continue[\s\S]*HTTP\/1\.1 200[\s\S]*hello/)
  t.is(backend.seen[0]?.headers.expect, undefined)
  const refused = await exchange(
    port,
    'POST /../.. HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  )
  t.is(statusOf(refused), 400)
  t.false(refused.includes('100 Continue'))
  const unknown = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n')
  t.is(statusOf(unknown), 417)
})

test('HTTP/1.0 clients get bodies without chunks', async (t) => {
  const backend = await httpBackend(t, {
    handler: (_request, response) => {
      response.write('ab')
      response.end('cd')
    },
  })
  const { port } = await proxy(t, [backend.port])
  const text = await exchange(port, 'GET / HTTP/1.0\r\n\r\n')
  t.regex(text, /\r\n\r\nabcd$/)
  t.false(text.includes('chunked'))
})

test('trailers and early hints pass, hop-by-hop fields do not, proxy fields are ours', async (t) => {
  let head = ''
  const upstream = await rawBackend(t, (socket) => {
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1')
      if (!head.endsWith('0\r\nx-sum: 1\r\n\r\n')) return
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n' +
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, x-private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\r\n' +
          '3\r\nabc\r\n0\r\nX-Digest: q\r\nContent-Length: 9\r\n\r\n',
      )
    })
  })
  const { port } = await proxy(t, [upstream])
  const request =
    'POST /x HTTP/1.1\r\nHost: shop.org:81\r\nTransfer-Encoding: chunked\r\nConnection: x-mine\r\nX-Mine: 1\r\n' +
    'X-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nProxy-Connection: close\r\nTE: trailers\r\n\r\n' +
    '1\r\nz\r\n0\r\nx-sum: 1\r\nhost: evil\r\n\r\n'
  const text = await exchange(
    port,
    request.replace('x-sum: 1\r\nhost: evil', 'host: evil\r\nx-sum: 1'),
    (got) => got.includes('0\r\nX-Digest: q\r\n\r\n'),
  )
  t.true(text.startsWith('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'))
  t.notRegex(text, /x-private|keep-alive|Content-Length: 9/i)
  t.notRegex(head, /x-mine|proxy-connection|evil|^te:/im)
  t.regex(head, /^X-Real-IP: 127\.0\.0\.1\r$/m)
  t.regex(head, /^X-Forwarded-For: 1\.2\.3\.4, 127\.0\.0\.1\r$/m)
  t.regex(head, /^X-Forwarded-Proto: http\r$/m)
  t.regex(head, /^X-Forwarded-Host: shop\.org:81\r$/m)
  t.is(count(head, 'X-Real-IP'), 1)
})

test('WebSocket upgrades tunnel both ways when the route allows them', async (t) => {
  const upstream = await rawBackend(t, (socket) => {
    socket.once('data', (chunk) => {
      if (!/upgrade: websocket/i.test(chunk.toString('latin1'))) {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain')
        return
      }
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello',
      )
      socket.on('data', (data) => socket.write(data))
    })
  })
  const request =
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
  const allowed = await proxy(t, [upstream], { enable_websocket: true })
  const text = await exchange(allowed.port, [request, 'ping', 'pong'], (got) => got.endsWith('hellopingpong'))
  t.true(text.startsWith('HTTP/1.1 101 Switching Protocols\r\n'))
  const denied = await proxy(t, [upstream])
  t.regex(await exchange(denied.port, request, (got) => got.endsWith('plain')), /^HTTP\/1\.1 200 /)
})

test('a head that never ends is given up with 408', async (t) => {
  const gateway = await testGateway(t, {
    text: 'apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], enable_admin: false }\nnginx_config: { http: { client_header_timeout: 1500ms } }',
  })
  t.is(statusOf(await exchange(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n')), 408)
})
