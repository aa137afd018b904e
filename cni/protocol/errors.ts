/** Error codes of the CNI specification (SPEC.md "Error"); 8 is the Go library's own. */
export const cniCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  portInUse: 100,
  internal: 999,
} as const

/** A failure as it goes to the runtime. `code` is one of `cniCodes`. */
export class CniError extends Error {
  readonly code: number
  readonly details: string

  constructor(
    code: number,
    message: string,
    { details = '', cause }: { details?: string; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CniError'
    this.code = code
    this.details = details
  }
}

/** Any thrown value as a CniError; errors without a code of their own become 999, as in the Go library. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  const message = error instanceof Error ? error.message : String(error)
  const { code } = error as { code?: unknown }
  return new CniError(code === 'IPAM_DECODE' ? cniCodes.decodingFailure : cniCodes.internal, message, {
    cause: error,
  })
}

/** The error object for stdout. */
export function encodeError(error: CniError, cniVersion: string): string {
  const { code, message, details } = error
  return JSON.stringify({ cniVersion, code, msg: message, ...(details === '' ? {} : { details }) }, null, 4)
}
