/** The API server answered with a Status other than success. */
export class ApiError extends Error {
  readonly code = 'KUBERNETES_API'
  readonly status: number
  /** metav1.Status reason, e.g. 'Expired'; '' if it gave none */
  readonly reason: string
  /** what Retry-After asks for, in milliseconds */
  readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    facts: { status: number; reason?: string; retryAfterMs?: number | undefined },
  ) {
    super(message)
    this.name = 'ApiError'
    this.status = facts.status
    this.reason = facts.reason ?? ''
    this.retryAfterMs = facts.retryAfterMs
  }
}

/** The API server cannot be reached, or a connection to it broke. */
export class ApiConnectionError extends Error {
  readonly code = 'KUBERNETES_CONNECTION'

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'ApiConnectionError'
  }
}

/** Makes an ApiError of a metav1.Status as JSON or protobuf gave it. */
export function apiErrorOf(
  status: Readonly<Record<string, unknown>>,
  facts: { what: string; status?: number; retryAfterMs?: number | undefined },
): ApiError {
  const code = typeof status['code'] === 'number' ? status['code'] : (facts.status ?? 500)
  const reason = typeof status['reason'] === 'string' ? status['reason'] : ''
  const message = typeof status['message'] === 'string' ? status['message'] : ''
  const { retryAfterSeconds } = (status['details'] ?? {}) as Record<string, unknown>
  const seconds = typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1000 : undefined
  return new ApiError(`${facts.what}: ${code} ${reason || 'error'}${message === '' ? '' : `: ${message}`}`, {
    status: code,
    reason,
    retryAfterMs: facts.retryAfterMs ?? seconds,
  })
}

/** The resourceVersion asked for is not there any more: only a new list helps. */
export function isExpired(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    (error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone')
  )
}

/** The resourceVersion asked for is newer than what the server knows (restored from a backup, or lagging). */
export function isTooLarge(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status === 504 && /too large resource version/i.test(error.message)
  )
}
