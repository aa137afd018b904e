/** What a module of an external plugin exports as `plugin`; the gateway's package exports these types. */
export interface ExternalPlugin<C = unknown> {
  /** Refuses a configuration with a sentence. Called when an object with it is written. */
  check?(conf: C): string | undefined
  /** Before the request goes upstream. An answer ends it; nothing lets it pass. */
  request?(
    request: ExternalRequest,
    conf: C,
  ): ExternalAnswer | undefined | Promise<ExternalAnswer | undefined>
  /** Before the head of a response goes to the client. */
  response?(response: ExternalResponse, request: ExternalRequest, conf: C): void
}

export interface ExternalFields {
  get(name: string): string | undefined
  set(name: string, value: string): void
  remove(name: string): void
  entries(): Readonly<Record<string, string>>
}

export interface ExternalRequest {
  readonly method: string
  /** Decoded and normalised. */
  readonly path: string
  /** Without '?'. */
  readonly query: string
  readonly host: string
  readonly remoteAddress: string
  readonly consumer: string | undefined
  readonly routeId: string | undefined
  readonly headers: ExternalFields
  /** nginx's and APISIX's variables, without '$'. */
  variable(name: string): string | number | undefined
  /** The request body, at most so many bytes (1 MiB); rejects if it is longer. */
  body(limit?: number): Promise<Buffer>
  /** Path and query that go upstream instead. */
  rewrite(target: string): void
}

export interface ExternalResponse {
  status: number
  readonly headers: ExternalFields
}

export interface ExternalAnswer {
  readonly status: number
  readonly body?: string | Buffer | Record<string, unknown> | undefined
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined
}
