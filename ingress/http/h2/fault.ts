/** Error codes, RFC 9113 §7. */
export const Code = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const

/** What a peer did against the protocol; it ends the connection, or only the stream if there is one. */
export class H2Fault extends Error {
  readonly code: number
  readonly stream: number

  constructor(code: number, message: string, stream = 0) {
    super(message)
    this.code = code
    this.stream = stream
  }
}
