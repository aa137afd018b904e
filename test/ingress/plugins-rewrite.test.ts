import { brotliCompressSync, gzipSync } from 'node:zlib'
import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const TEXT = 'a plain text, plainly\n'

test('response-rewrite looks into compressed answers and leaves those it cannot read', async (t) => {
  const backend = await httpBackend(t, {
    handler: (request, response) => {
      const coding = request.url?.slice(1) ?? ''
      const body =
        coding === 'gzip' ? gzipSync(TEXT) : coding === 'br' ? brotliCompressSync(TEXT) : Buffer.from(TEXT)
      response.writeHead(200, { 'Content-Encoding': coding, ETag: '"x"' }).end(body)
    },
  })
  const { url, put } = await testGateway(t)
  const route = (limit: number) => ({
    uri: '/*',
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
    plugins: {
      'response-rewrite': {
        max_resp_body_size: limit,
        filters: [{ regex: '(PLAIN)', replace: '<$1>', scope: 'global', options: 'ijo' }],
      },
    },
  })
  await put('/routes/1', route(1000))
  for (const coding of ['gzip', 'br']) {
    const response = await fetch(`${url}/${coding}`)
    t.is(await response.text(), 'a <plain> text, <plain>ly\n')
    t.is(response.headers.get('content-encoding'), null)
    t.is(response.headers.get('etag'), null)
  }
  const unknown = await fetch(`${url}/made-up`)
  t.is(unknown.headers.get('content-encoding'), 'made-up')
  t.is(await unknown.text(), TEXT)
  // Nobody is to take a part for the whole.
  await put('/routes/1', route(5))
  await t.throwsAsync(fetch(`${url}/gzip`).then((response) => response.text()))
  await put('/routes/1', route(1000))
  t.is((await fetch(`${url}/gzip`)).status, 200)
})
