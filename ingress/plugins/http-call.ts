import http from 'node:http'
import https from 'node:https'

export interface Call {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | string | undefined
  readonly timeoutMs: number
  readonly verify: boolean
}

export interface CallAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const BODY_LIMIT = 1024 * 1024
const plain = new http.Agent({ keepAlive: true, maxFreeSockets: 32 })
const checked = new https.Agent({ keepAlive: true, maxFreeSockets: 32 })
const unchecked = new https.Agent({ keepAlive: true, maxFreeSockets: 32, rejectUnauthorized: false })

/** A request a plugin makes of its own. Rejects if there is no complete answer in time, or one beyond 1 MiB. */
export function call(request: Call): Promise<CallAnswer> {
  const secure = request.url.startsWith('https:')
  const agent = secure ? (request.verify ? checked : unchecked) : plain
  const { method, headers, body, timeoutMs } = request
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const sent = (secure ? https : http).request(
      request.url,
      { method, headers: { ...headers }, agent, signal },
      (response) => {
        const pieces: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > BODY_LIMIT) response.destroy(new Error(`the answer of ${request.url} is too long`))
          else pieces.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(pieces),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
