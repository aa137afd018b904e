import type http from 'node:http'
import type { ExecutionContext } from 'ava'
import { httpBackend } from './backend.ts'

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A server that keeps what it gets; `answer` says what it answers, by default 200 and an empty object. */
export async function collector(
  t: ExecutionContext,
  answer: (received: Received) => readonly [status: number, body: unknown] = () => [200, {}],
): Promise<{ readonly uri: string; readonly port: number; readonly received: Received[] }> {
  const received: Received[] = []
  const { port } = await httpBackend(t, {
    handler: (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        const one = { method, url, headers, body }
        received.push(one)
        const [status, content] = answer(one)
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(content))
      })
    },
  })
  return { uri: `http://127.0.0.1:${port}`, port, received }
}
