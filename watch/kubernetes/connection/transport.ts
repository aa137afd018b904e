import type { Readable } from 'node:stream'

export interface TransportRequest {
  readonly method: string
  /** path and query */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TransportResponse {
  readonly status: number
  header(name: string): string | undefined
  readonly body: Readable
}

/** A way to one API server: an HTTP/2 session, or HTTP/1.1 connections. */
export interface Transport {
  readonly protocol: 'h2' | 'http/1.1'
  /** false once no new request should be sent over it */
  readonly usable: boolean
  /** Resolves when the head of the answer is there. Throws ApiConnectionError. */
  request(request: TransportRequest): Promise<TransportResponse>
  /** Lets what runs finish, takes nothing new. */
  retire(): void
  /** Breaks everything off. */
  destroy(): void
}
