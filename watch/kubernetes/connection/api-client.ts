import type { ClientMetrics } from '../client-metrics.ts'
import type { Authorization } from '../configuration/authorization.ts'
import { type ApiError, apiErrorOf } from '../errors.ts'
import { openEnvelope, readStatus } from '../wire/envelope.ts'
import type { Connections } from './connections.ts'
import type { RateLimit } from './rate-limit.ts'
import type { TransportResponse } from './transport.ts'

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>> | undefined
  readonly accept?: string | undefined
  readonly contentType?: string | undefined
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
  /** watches are not limited in rate: they are few, and waiting would delay their resumption */
  readonly unlimited?: boolean | undefined
}

const json = 'application/json'

/** Requests to the API server with authorization, rate limit and typed errors. */
export class ApiClient {
  readonly #connections: Connections
  readonly #authorization: Authorization
  readonly #limit: RateLimit
  readonly #metrics: ClientMetrics
  readonly #userAgent: string

  constructor(options: {
    connections: Connections
    authorization: Authorization
    limit: RateLimit
    metrics: ClientMetrics
    userAgent: string
  }) {
    this.#connections = options.connections
    this.#authorization = options.authorization
    this.#limit = options.limit
    this.#metrics = options.metrics
    this.#userAgent = options.userAgent
  }

  /** The answer of a request that succeeded, its body unread. Throws ApiError and ApiConnectionError. */
  async stream(request: ApiRequest): Promise<TransportResponse> {
    if (request.unlimited !== true) this.#metrics.limited(await this.#limit.take(request.signal))
    const authorization = await this.#authorization.header()
    let answer = await this.#send(request, authorization)
    if (answer.status === 401 && this.#authorization.rejected(authorization)) {
      // The token may just have been rotated: once more with what is there now.
      answer.body.destroy()
      answer = await this.#send(request, await this.#authorization.header())
    }
    if (answer.status >= 200 && answer.status < 300) return answer
    throw await errorOf(request, answer)
  }

  /** A request whose answer is JSON, parsed. Throws ApiError and ApiConnectionError. */
  async json(request: ApiRequest): Promise<unknown> {
    const answer = await this.stream(request)
    const text = (await wholeBody(answer)).toString('utf8')
    return text === '' ? undefined : JSON.parse(text)
  }

  async #send(request: ApiRequest, authorization: string | undefined): Promise<TransportResponse> {
    const { method = 'GET', path, query = {}, accept = json, contentType = json, body, signal } = request
    const begun = performance.now()
    const host = this.#connections.server.host
    try {
      const transport = await this.#connections.transport()
      const answer = await transport.request({
        method,
        path: withQuery(path, query),
        headers: {
          accept,
          'user-agent': this.#userAgent,
          ...this.#authorization.extraHeaders,
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': contentType }),
        },
        body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
        signal,
      })
      this.#metrics.answered({ method, host, code: String(answer.status), seconds: since(begun) })
      return answer
    } catch (error) {
      this.#metrics.answered({ method, host, code: '<error>', seconds: since(begun) })
      throw error
    }
  }
}

function since(begun: number): number {
  return (performance.now() - begun) / 1000
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, value)
  const text = parameters.toString()
  return text === '' ? path : `${path}?${text}`
}

async function wholeBody(answer: TransportResponse, limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > limit) break
  }
  return Buffer.concat(chunks)
}

async function errorOf(request: ApiRequest, answer: TransportResponse): Promise<ApiError> {
  const what = `${request.method ?? 'GET'} ${request.path}`
  const after = Number(answer.header('retry-after'))
  const retryAfterMs = Number.isFinite(after) && after > 0 ? after * 1000 : undefined
  let status: Record<string, unknown> = {}
  try {
    const body = await wholeBody(answer, 65_536)
    status = (answer.header('content-type') ?? '').includes('protobuf')
      ? readStatus(openEnvelope(body))
      : (JSON.parse(body.toString('utf8')) as Record<string, unknown>)
  } catch {
    // Answers of proxies in between are no Status: the code has to do.
  }
  if (typeof status !== 'object' || status === null) status = {}
  return apiErrorOf({ ...status, code: answer.status }, { what, retryAfterMs })
}
