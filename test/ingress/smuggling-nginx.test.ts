import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { testGateway } from './support/gateway.ts'
import { sendHttp2 } from './support/h2-frames.ts'
import { hasNginx, nginx } from './support/nginx.ts'
import { exchange, statusOf } from './support/raw-client.ts'
import { BAD_CHUNKS, post, REFUSED, SMUGGLED } from './support/smuggling-cases.ts'

const withNginx = hasNginx ? test : test.skip

/** A gateway in front of nginx over kept-alive connections; `seen` is what nginx took for requests. */
async function front(t: ExecutionContext) {
  const { port: upstream, directory } = await nginx(
    t,
    `log_format seen '$request_method $request_uri $status $http_x_body';
keepalive_requests 1000000;
server { listen 127.0.0.1:PORT; access_log DIRECTORY/seen.log seen; location / { client_max_body_size 10m; proxy_pass http://127.0.0.1:PORT/answer/; proxy_set_header X-Body "inner"; }
location /answer/ { return 200 "$request_uri"; } }`,
  )
  const gateway = await testGateway(t)
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${upstream}`]: 1 } } })
  const seen = () =>
    readFileSync(`${directory}/seen.log`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.endsWith(' inner'))
      .map((line) => line.replace(/ -$/, ''))
  // The next request on the connection to nginx must get its own answer.
  let marks = 0
  const mark = async (what: string) => {
    const path = `/mark/${++marks}`
    const answer = await exchange(
      gateway.port,
      `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    t.is(statusOf(answer), 200, what)
    t.true(answer.endsWith(`\r\n\r\n/answer${path}`), `${what}: ${answer}`)
  }
  return { ...gateway, seen, mark }
}

withNginx(
  'raw requests that are read in two ways do not reach nginx, and nothing hides in bodies',
  async (t) => {
    const { port, seen, mark } = await front(t)
    const attacks = {
      ...REFUSED,
      ...Object.fromEntries(
        Object.entries(BAD_CHUNKS).map(([name, body]) => [
          name,
          post('Transfer-Encoding: chunked\r\n', body),
        ]),
      ),
    }
    for (const [name, request] of Object.entries(attacks)) {
      const answer = await exchange(port, request + SMUGGLED)
      t.is(statusOf(answer), 400, name)
      t.is(answer.split('HTTP/1.1 ').length - 1, 1, name)
    }
    await mark('after the attacks')
    // Bodies that look like requests stay bodies, framed either way.
    const chunk = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`
    const harmless = [
      post(`Content-Length: ${SMUGGLED.length}\r\nConnection: close\r\n`, SMUGGLED),
      post('Transfer-Encoding: chunked\r\nConnection: close\r\n', chunk),
      post('Transfer-Encoding: chunked\r\nConnection: close, content-length\r\n', chunk),
      post(`Content-Length: ${SMUGGLED.length}\r\nConnection: close, transfer-encoding, host\r\n`, SMUGGLED),
    ]
    for (const request of harmless) {
      t.is(statusOf(await exchange(port, request)), 200, request.slice(0, 80))
      await mark(request.slice(0, 80))
    }
    const posts = seen().filter((line) => line.startsWith('POST'))
    t.is(posts.length, harmless.length)
    t.false(
      seen().some((line) => line.includes('smuggled')),
      seen().join('\n'),
    )
  },
)

withNginx('what HTTP/2 can carry and HTTP/1.1 cannot does not become a second request', async (t) => {
  const { port, seen, mark } = await front(t)
  const line = '\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  const head = (over: Record<string, string> = {}) =>
    Object.entries({ ':method': 'GET', ':scheme': 'http', ':authority': 'a', ':path': '/h2', ...over })
  const attacks: Record<string, readonly [(readonly [string, string])[], string?]> = {
    'line breaks in a value': [[...head(), ['x-a', `b${line}`]]],
    'a line feed in a value': [[...head(), ['x-a', `b\nGET /smuggled HTTP/1.1\n\n`]]],
    'NUL in a value': [[...head(), ['x-a', 'b\0']]],
    'line breaks in a name': [[...head(), [`x-a: b${line}x`, 'y']]],
    'a colon in a name': [[...head(), ['transfer-encoding: chunked', 'y']]],
    'a blank in a name': [[...head(), ['transfer-encoding ', 'chunked']]],
    'line breaks in the path': [head({ ':path': `/ HTTP/1.1\r\nHost: a${line}` })],
    'a blank in the path': [head({ ':path': '/h2 HTTP/1.1' })],
    'line breaks in the method': [head({ ':method': `GET / HTTP/1.1\r\nHost: a${line}GET` })],
    'a blank in the method': [head({ ':method': 'GET /smuggled HTTP/1.1' })],
    'line breaks in the authority': [head({ ':authority': `a${line}` })],
    'transfer-encoding': [
      [...head({ ':method': 'POST' }), ['transfer-encoding', 'chunked']],
      `0\r\n\r\n${SMUGGLED}`,
    ],
    connection: [[...head(), ['connection', 'close, x-real-ip']]],
    'a length shorter than the body': [[...head({ ':method': 'POST' }), ['content-length', '0']], SMUGGLED],
    'a length longer than the body': [[...head({ ':method': 'POST' }), ['content-length', '500']], SMUGGLED],
    'two lengths': [
      [...head({ ':method': 'POST' }), ['content-length', '5'], ['content-length', `${SMUGGLED.length}`]],
      SMUGGLED,
    ],
    'two paths': [[...head(), [':path', '/smuggled']]],
    'upper case names': [[...head(), ['Transfer-Encoding', 'chunked']]],
    'no path': [
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a'],
      ],
    ],
  }
  for (const [name, [fields, body]] of Object.entries(attacks)) {
    const status = await sendHttp2(port, fields, body)
    // nghttp2 leaves a field out whose name or value is malformed; anything else malformed ends the stream.
    if (!/^(line breaks|a line feed|NUL|a colon|a blank) in a (name|value)$/.test(name))
      t.not(status, 200, name)
    await mark(name)
  }
  // As a body of the right length it is one.
  t.is(
    await sendHttp2(
      port,
      [...head({ ':method': 'POST' }), ['content-length', `${SMUGGLED.length}`]],
      SMUGGLED,
    ),
    200,
  )
  t.is(await sendHttp2(port, head({ ':method': 'POST' }), SMUGGLED), 200)
  await mark('at the end')
  for (let n = 0; n < 500 && seen().filter((one) => one.startsWith('POST /h2 200')).length < 2; n++)
    await sleep(20)
  t.is(seen().filter((one) => one.startsWith('POST /h2 200')).length, 2)
  t.false(
    seen().some((one) => one.includes('smuggled')),
    seen().join('\n'),
  )
})
