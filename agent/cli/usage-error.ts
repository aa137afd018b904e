import { ConfigurationError, messageOf } from '../errors.ts'

/** A bad flag or configuration: one line on stderr and exit code 2. */
export class UsageError extends Error {
  readonly code = 'PLEXUS_USAGE'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}

/** Runs a loader of configuration; whatever it throws is the user's to mend. */
export async function asConfiguration<T>(load: () => T | Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause })
  }
}

export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof UsageError || error instanceof ConfigurationError ? 2 : 1
}
