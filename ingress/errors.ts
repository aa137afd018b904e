/** A configuration file that cannot be used: names the file and the field. */
export class GatewayConfigError extends Error {
  readonly code = 'GW_CONFIG'
  readonly file: string
  readonly field: string

  constructor(file: string, field: string, problem: string, options?: ErrorOptions) {
    super(`${file}: ${field === '' ? '' : `${field}: `}${problem}`, options)
    this.name = 'GatewayConfigError'
    this.file = file
    this.field = field
  }
}

/** A port that cannot be opened. */
export class GatewayListenError extends Error {
  readonly code = 'GW_LISTEN'

  constructor(what: string, address: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`${what} cannot listen on ${address}: ${reason}`, { cause })
    this.name = 'GatewayListenError'
  }
}
