/** A bad flag or configuration at start: the process prints the message and exits with code 2. */
export class ConfigurationError extends Error {
  readonly code = 'AGENT_CONFIGURATION'
  readonly file: string
  readonly field: string | undefined

  constructor(message: string, details: { file: string; field?: string | undefined; cause?: unknown }) {
    super(message, { cause: details.cause })
    this.name = 'ConfigurationError'
    this.file = details.file
    this.field = details.field
  }
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
