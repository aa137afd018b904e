/** An answer of the Admin API; a string body is sent as it is. */
export interface AdminAnswer {
  readonly status: number
  readonly body: unknown
}

export const failure = (message: string, status = 400): AdminAnswer => ({
  status,
  body: { error_msg: message },
})
export const notFound: AdminAnswer = { status: 404, body: { message: 'Key not found' } }

/** Ends the handling of a request with an answer. */
export class Refused extends Error {
  readonly answer: AdminAnswer

  constructor(answer: AdminAnswer) {
    super('refused')
    this.answer = answer
  }
}
