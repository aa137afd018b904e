import http from 'node:http'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import test from 'ava'
import { GzipMember } from '../../ingress/plugins/gzip/member.ts'
import { DiskStore } from '../../ingress/plugins/proxy-cache/disk-store.ts'
import { MemoryStore } from '../../ingress/plugins/proxy-cache/memory-store.ts'
import { httpBackend } from './support/backend.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'

const answer = (text: string) => ({
  status: 200,
  headers: [] as const,
  vary: [] as const,
  storedAt: Date.now(),
  freshUntil: Date.now() + 60_000,
  body: Buffer.from(text),
})

async function until<T>(get: () => T | Promise<T>, good: (value: T) => boolean): Promise<T> {
  let value = await get()
  for (let n = 0; n < 2000 && !good(value); n++) {
    await new Promise((next) => setTimeout(next, 10))
    value = await get()
  }
  return value
}

test('the memory zone drops what was not asked for longest', (t) => {
  const store = new MemoryStore(3 * 1100)
  for (const key of ['a', 'b', 'c']) store.set(key, answer(key))
  store.get('a')
  store.set('d', answer('d'))
  t.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => store.get(key) !== undefined),
    [true, false, true, true],
  )
  t.false(store.delete('b'))
  store.set('big', answer('x'.repeat(10_000)))
  t.is(store.get('big'), undefined)
  t.true(store.size <= 3300)
})

test('the disk zone survives a restart and answers only for its own key', async (t) => {
  const directory = temporaryDirectory(t)
  const store = new DiskStore(directory, 10_000)
  store.set('a', answer('line\nline'))
  t.is(
    (
      await until(
        () => store.get('a'),
        (one) => one !== undefined,
      )
    )?.body.toString(),
    'line\nline',
  )
  const again = new DiskStore(directory, 10_000)
  t.is((await again.get('a'))?.body.toString(), 'line\nline')
  t.is(await again.get('b'), undefined)
  t.deepEqual(
    [await again.delete('a'), await again.delete('a'), await again.get('a')],
    [true, false, undefined],
  )
})

for (const strategy of ['memory', 'disk']) {
  test(`proxy-cache in a ${strategy} zone: hits, PURGE, bypass, Vary, what is never kept`, async (t) => {
    let count = 0
    const backend = await httpBackend(t, {
      handler: (request, response) => {
        response.setHeader('ETag', '"1"')
        if (request.url === '/private') response.setHeader('Cache-Control', 'private')
        if (request.url === '/cookie') response.setHeader('Set-Cookie', 'a=b')
        if (request.url === '/vary') response.setHeader('Vary', 'Accept-Language')
        if (request.url === '/short') response.setHeader('Cache-Control', 'max-age=0')
        response.end(`${++count}`)
      },
    })
    const zone = strategy === 'memory' ? 'mem' : 'disk'
    const { url, put } = await testGateway(t, {
      config: {
        pluginAttributes: {
          'proxy-cache': {
            zones: [
              { name: 'mem', memory_size: '1m' },
              { name: 'disk', disk_size: '1m', disk_path: temporaryDirectory(t) },
            ],
          },
        },
      },
    })
    const conf = {
      cache_strategy: strategy,
      cache_zone: zone,
      cache_bypass: ['$arg_bypass'],
      cache_control: true,
    }
    const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
    await put('/routes/1', { uri: '/*', plugins: { 'proxy-cache': conf }, upstream })
    const get = async (path: string, options: RequestInit = {}) => {
      const response = await fetch(url + path, options)
      return [response.status, response.headers.get('apisix-cache-status'), await response.text()] as const
    }
    t.deepEqual(await get('/a'), [200, 'MISS', '1'])
    t.is(
      (
        await until(
          () => get('/a'),
          ([, status]) => status === 'HIT',
        )
      )[1],
      'HIT',
    )
    const head = await fetch(`${url}/a`, { method: 'HEAD' })
    t.deepEqual([head.headers.get('apisix-cache-status'), head.headers.get('etag')], ['HIT', '"1"'])
    t.is(
      (await fetch(`${url}/a`, { headers: { 'if-none-match': '"1"', 'cache-control': 'max-age=600' } }))
        .status,
      304,
    )
    t.is((await get('/a?bypass=1'))[1], 'BYPASS')
    t.is((await get('/a', { headers: { 'cache-control': 'no-cache' } }))[1], 'BYPASS')
    t.is((await get('/none', { headers: { 'cache-control': 'only-if-cached' } }))[0], 504)
    for (const path of ['/private', '/cookie', '/short']) {
      const first = await get(path)
      const second = await get(path)
      t.deepEqual([first[1], second[1], first[2] === second[2]], ['MISS', 'MISS', false], path)
    }
    const german = { headers: { 'accept-language': 'de' } }
    await get('/vary', german)
    t.is(
      (
        await until(
          () => get('/vary', german),
          ([, status]) => status === 'HIT',
        )
      )[1],
      'HIT',
    )
    t.is((await get('/vary', { headers: { 'accept-language': 'fr' } }))[1], 'MISS')
    // Unknown to the gateway, so nobody else's business.
    const secret = { headers: { authorization: 'Basic abc' } }
    await get('/auth', secret)
    t.is((await get('/auth', secret))[1], 'MISS')
    t.is((await get('/a', { method: 'PURGE' }))[0], 200)
    t.is((await get('/a', { method: 'PURGE' }))[0], 404)
    t.is((await get('/a'))[1], 'MISS')
  })
}

test('gzip members made of pieces are what gunzip reads', (t) => {
  for (const pieces of [[], ['a'], ['hello '.repeat(5000), 'x', 'hello '.repeat(5000)]]) {
    const member = new GzipMember(1)
    const wire = Buffer.concat([...pieces.map((piece) => member.push(Buffer.from(piece))), member.end()])
    t.is(gunzipSync(wire).toString(), pieces.join(''))
  }
})

/** Bytes as they come, without fetch undoing the coding. */
function raw(url: string, coding: string): Promise<{ headers: http.IncomingHttpHeaders; body: Buffer }> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { headers: { 'accept-encoding': coding }, agent: false }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (chunk: Buffer) => pieces.push(chunk))
        response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(pieces) }))
      })
      .on('error', reject)
  })
}

test('brotli and gzip: by what the client takes; long and endless answers too', async (t) => {
  const long = 'what is said often '.repeat(200_000)
  const backend = await httpBackend(t, {
    handler: (request, response) => {
      response.setHeader('Content-Type', 'text/html')
      if (request.url === '/chunked') {
        response.write('first ')
        setImmediate(() => response.end('second'))
      } else if (request.url === '/long') response.end(long)
      else response.end('short '.repeat(100))
    },
  })
  const { url, put } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', plugins: { gzip: { vary: true }, brotli: {} }, upstream })
  const both = await raw(`${url}/a`, 'gzip, br')
  t.is(both.headers['content-encoding'], 'br')
  t.is(brotliDecompressSync(both.body).toString(), 'short '.repeat(100))
  const one = await raw(`${url}/a`, 'gzip, br;q=0')
  t.deepEqual([one.headers['content-encoding'], one.headers.vary], ['gzip', 'Accept-Encoding'])
  const big = await raw(`${url}/long`, 'gzip, br')
  t.is(big.headers['content-encoding'], 'gzip')
  t.true(gunzipSync(big.body).toString() === long && big.body.length < long.length / 10)
  const chunked = await raw(`${url}/chunked`, 'gzip')
  t.is(gunzipSync(chunked.body).toString(), 'first second')
  t.is((await raw(`${url}/a`, 'identity')).headers['content-encoding'], undefined)
})
