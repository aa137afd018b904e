/** A question that cannot be answered: the message says what is wrong with it. `statusCode` is for HTTP. */
export class TraceError extends Error {
  readonly code = 'PROXY_TRACE'
  readonly statusCode = 400

  constructor(message: string) {
    super(message)
    this.name = 'TraceError'
  }
}
