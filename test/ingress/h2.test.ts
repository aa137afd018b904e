import { createHash, randomBytes } from 'node:crypto'
import http2 from 'node:http2'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Code, H2Fault } from '../../ingress/http/h2/fault.ts'
import { FrameReader } from '../../ingress/http/h2/frames.ts'
import { HpackDecoder } from '../../ingress/http/h2/hpack-decoder.ts'
import { encodeField } from '../../ingress/http/h2/hpack-encoder.ts'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { frameOf, preface } from './support/h2-frames.ts'

const seed = Number(process.env.GATEWAY_FUZZ_SEED ?? Date.now() % 1_000_000)
const LIMIT = 32_768

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

test('header blocks of RFC 7541, appendix C, with and without Huffman codes, and the table between them', (t) => {
  const rounds = [
    ['828684410f7777772e6578616d706c652e636f6d', '828684418cf1e3c2e5f23a6ba0ab90f4ff'],
    ['828684be58086e6f2d6361636865', '828684be5886a8eb10649cbf'],
    [
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  ] as const
  for (const kind of [0, 1] as const) {
    const decoder = new HpackDecoder()
    const [first, second, third] = rounds.map((round) => decoder.decode(hex(round[kind]), LIMIT))
    const base = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ]
    t.deepEqual(first, base as never)
    t.deepEqual(second, [...base, ['cache-control', 'no-cache']] as never)
    t.deepEqual(third, [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ])
  }
  const decoder = new HpackDecoder()
  t.is(decoder.decode(hex('4001610162'), 33), undefined, 'larger than allowed')
  t.deepEqual(decoder.decode(hex('be'), LIMIT), [['a', 'b']], 'but in the table')
})

test('malformed header blocks are faults and nothing else; our own are read back', (t) => {
  t.log(`GATEWAY_FUZZ_SEED=${seed}`)
  for (const block of [
    '80',
    'bf',
    '3fe21f',
    '8220',
    'ffffffffffff',
    '0085',
    '008501',
    '0001ff',
    '008300ffffffff',
  ])
    t.is(
      t.throws(() => new HpackDecoder().decode(hex(block), LIMIT), { instanceOf: H2Fault }, block)?.code,
      Code.compression as never,
    )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        new HpackDecoder().decode(Buffer.from(bytes), LIMIT)
      } catch (error) {
        if (!(error instanceof H2Fault)) throw error
      }
    }),
    { seed, numRuns: 3000 },
  )
  const word = fc.stringMatching(/^[!-~]{1,200}$/)
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word), { maxLength: 10 }), (fields) => {
      const block = Buffer.from(fields.map(([name, value]) => encodeField(name, value)).join(''), 'latin1')
      t.deepEqual(
        new HpackDecoder().decode(block, 1e6),
        fields.map(([name, value]) => [name.toLowerCase(), value]),
      )
    }),
    { seed, numRuns: 200 },
  )
})

test('frames are the same in whatever pieces they arrive', (t) => {
  const bytes = Buffer.concat(
    [1, 0, 300, 16_384, 8].map((size, n) => frameOf(n, n, n, Buffer.alloc(size, n))),
  )
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 }), (cuts) => {
      const seen: string[] = []
      const reader = new FrameReader((type, flags, stream, payload) => {
        seen.push(`${type} ${flags} ${stream} ${payload.length} ${payload.every((byte) => byte === type)}`)
      })
      let at = 0
      // Everything arrives in one buffer that is overwritten in between.
      const shared = Buffer.alloc(bytes.length)
      for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
        bytes.copy(shared, 0, at, cut)
        reader.push(shared, 0, cut - at)
        shared.fill(0xee)
        at = cut
      }
      t.deepEqual(seen, [
        '0 0 0 1 true',
        '1 1 1 0 true',
        '2 2 2 300 true',
        '3 3 3 16384 true',
        '4 4 4 8 true',
      ])
    }),
    { seed, numRuns: 300 },
  )
})

async function gatewayWith(t: ExecutionContext, settings: http2.Settings = {}) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t)
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const session = http2.connect(gateway.url, { settings })
  t.teardown(() => session.destroy())
  return { ...gateway, session, backend }
}

function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: Buffer) {
  return new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    const pieces: Buffer[] = []
    let status = 0
    stream.on('response', (got) => {
      status = Number(got[':status'])
    })
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('end', () => resolve({ status, body: Buffer.concat(pieces) }))
    stream.on('error', reject)
  })
}

const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('bodies pass whole both ways on many streams, also through small windows', async (t) => {
  const { session } = await gatewayWith(t, { initialWindowSize: 5000 })
  const bodies = [0, 1, 16_384, 16_385, 700_000, 1_500_000].map((size) => randomBytes(size))
  const answers = await Promise.all(
    bodies.map((body) => ask(session, { ':path': '/echo', ':method': 'POST' }, body)),
  )
  t.deepEqual(
    answers.map(({ body }) => sum(body)),
    bodies.map(sum),
  )
})

test('a head that is too large is refused, and the connection goes on', async (t) => {
  const { session } = await gatewayWith(t)
  // In the table once, it costs a byte each time; together they are larger than any head may be.
  const large = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`x-${n}`, 'v'.repeat(3000)]))
  t.is((await ask(session, { ':path': '/a', ...large })).status, 431)
  t.is((await ask(session, { ':path': '/a' })).status, 200)
})

test('a client that does not read one answer does not hold up another; the first is given up', async (t) => {
  const backend = await httpBackend(t, { handler: (_, response) => response.end(Buffer.alloc(300_000)) })
  const gateway = await testGateway(t, {
    text: `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { http: { send_timeout: 1s } }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: a, key: edd1c9f034335f136f87ad84b625c8f1, role: admin }] } }`,
  })
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  const stuck = session.request({ ':path': '/stuck' })
  stuck.on('error', () => {})
  const closed = new Promise((resolve) => stuck.on('close', () => resolve(stuck.rstCode)))
  stuck.pause()
  t.is((await ask(session, { ':path': '/other' })).body.length, 300_000)
  t.is(await closed, http2.constants.NGHTTP2_CANCEL)
})

/** The error code the connection ends with after these bytes; -1 if it just ends. */
function endOf(port: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    let code = -1
    const reader = new FrameReader((type, _flags, _stream, payload) => {
      if (type === 7) code = payload.readUInt32BE(4)
    })
    const socket = net.connect(port, '127.0.0.1', () => socket.write(Buffer.concat([preface, bytes])))
    socket.on('data', (chunk: Buffer) => reader.push(chunk, 0, chunk.length))
    socket.on('error', () => resolve(code))
    socket.on('close', () => resolve(code))
  })
}

test('clients that cost more than they say are cut off', async (t) => {
  const { port, session } = await gatewayWith(t)
  const times = (count: number, one: Buffer) => Buffer.concat(Array.from({ length: count }, () => one))
  const none = Buffer.alloc(0)
  const head = Buffer.from(`\x82\x86\x84${encodeField(':authority', 'a')}`, 'latin1')
  const floods = {
    ping: times(15_000, frameOf(6, 0, 0, Buffer.alloc(8))),
    settings: times(15_000, frameOf(4, 0, 0, none)),
    priority: times(15_000, frameOf(2, 0, 1, Buffer.alloc(5))),
    'empty data': Buffer.concat([frameOf(1, 4, 1, head), times(15_000, frameOf(0, 0, 1, none))]),
    'empty continuation': Buffer.concat([frameOf(1, 0, 1, head), times(15_000, frameOf(9, 0, 1, none))]),
    'endless head': Buffer.concat([frameOf(1, 0, 1, head), times(5, frameOf(9, 0, 1, Buffer.alloc(16_000)))]),
    'resets it makes us send': Buffer.concat(
      Array.from({ length: 2000 }, (_, n) =>
        Buffer.concat([frameOf(1, 4, 2 * n + 1, head), frameOf(8, 0, 2 * n + 1, Buffer.alloc(4))]),
      ),
    ),
  }
  for (const [name, bytes] of Object.entries(floods))
    t.is(await endOf(port, Buffer.concat([frameOf(4, 0, 0, none), bytes])), Code.enhanceYourCalm, name)
  t.is((await ask(session, { ':path': '/a' })).status, 200)
})

test('frames without sense end their connection and harm nobody else', async (t) => {
  t.log(`GATEWAY_FUZZ_SEED=${seed}`)
  const { port, session } = await gatewayWith(t)
  const frame = fc
    .tuple(
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 5 }),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([type, flags, stream, payload]) => frameOf(type, flags, stream, Buffer.from(payload)))
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 20 }), async (frames) => {
      // A frame that no client sends ends the connection for sure.
      const end = frameOf(5, 4, 1, Buffer.alloc(4))
      await endOf(port, Buffer.concat([frameOf(4, 0, 0, Buffer.alloc(0)), ...frames, end]))
    }),
    { seed, numRuns: 100 },
  )
  t.is((await ask(session, { ':path': '/a' })).status, 200)
})
