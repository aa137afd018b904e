/** Why the lab refused or failed; stable, for tests and scripts. */
export type LabErrorCode =
  | 'LAB_NAME'
  | 'LAB_RUNNING'
  | 'LAB_NOT_UP'
  | 'LAB_ROOT'
  | 'LAB_PROGRAM'
  | 'LAB_MANIFEST'
  | 'LAB_SUBNET'
  | 'LAB_NOT_READY'
  | 'LAB_TARGET'
  | 'LAB_TEARDOWN'
  | 'LAB_ABORTED'

/** An error whose message is meant for the person at the terminal: what is wrong, and what to do. */
export class LabError extends Error {
  readonly code: LabErrorCode

  constructor(code: LabErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'LabError'
    this.code = code
  }
}

/** True for the error an AbortSignal of the lab raises when somebody pressed Ctrl-C. */
export function isAborted(error: unknown): boolean {
  return error instanceof LabError && error.code === 'LAB_ABORTED'
}

/** Throws LAB_ABORTED once the signal has fired; called between the steps of bringing a lab up. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new LabError('LAB_ABORTED', 'interrupted')
}
