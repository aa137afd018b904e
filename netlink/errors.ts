import { getSystemErrorMap } from 'node:util'

/** Linux errno values libuv has no name for (include/linux/errno.h, asm-generic/errno.h). */
const KERNEL_ERRORS = new Map<number, readonly [string, string]>([
  [34, ['ERANGE', 'Numerical result out of range']],
  [76, ['ENOTUNIQ', 'Name not unique on network']],
  [85, ['ERESTART', 'Interrupted: the generation changed meanwhile']],
  [95, ['EOPNOTSUPP', 'Operation not supported']],
  [524, ['ENOTSUPP', 'Operation is not supported']],
])

/** Node builds the map anew at every call, and "not found" is an everyday answer. */
const systemErrors = getSystemErrorMap()

/** Symbolic name and text of a positive errno. */
export function describeErrno(errno: number): { code: string; text: string } {
  const known = KERNEL_ERRORS.get(errno) ?? systemErrors.get(-errno)
  return known === undefined
    ? { code: `ERRNO_${errno}`, text: `errno ${errno}` }
    : { code: known[0], text: known[1] }
}

export interface NetlinkErrorDetails {
  /** Positive errno. */
  errno: number
  /** What was asked, e.g. 'RTM_NEWLINK flannel.1'. */
  request: string
  /** Name of the attribute the kernel pointed at. */
  attribute?: string | undefined
  /** The kernel's own words (extended ack). */
  detail?: string | undefined
  cause?: unknown
}

/** The kernel refused a request. `code` is the symbolic errno ('ENOENT', 'EEXIST' ...). */
export class NetlinkError extends Error {
  readonly code: string
  readonly errno: number
  readonly request: string
  readonly attribute?: string | undefined
  readonly detail?: string | undefined

  constructor(details: NetlinkErrorDetails, message?: string) {
    const { code, text } = describeErrno(details.errno)
    const where = details.attribute === undefined ? '' : ` (attribute ${details.attribute})`
    super(
      message ?? `${details.request}: ${code}: ${details.detail ?? text}${where}`,
      details.cause === undefined ? {} : { cause: details.cause },
    )
    this.name = 'NetlinkError'
    this.code = code
    this.errno = details.errno
    this.request = details.request
    this.attribute = details.attribute
    this.detail = details.detail
  }
}

/** Bytes that are no valid netlink message: a kernel we do not understand, or a bug of ours. */
export class NetlinkFormatError extends Error {
  readonly code = 'NETLINK_FORMAT'

  constructor(message: string) {
    super(`malformed netlink message: ${message}`)
    this.name = 'NetlinkFormatError'
  }
}

/** A value that cannot be put into a netlink message; nothing was sent. */
export class NetlinkValueError extends Error {
  readonly code = 'NETLINK_VALUE'
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`)
    this.name = 'NetlinkValueError'
    this.field = field
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof NetlinkError && codes.includes(error.code)
}

/** Positive errno values of what `isNotFound` tells. */
export const NOT_FOUND_ERRNOS: readonly number[] = [2, 19, 3, 99]

/** The object does not exist: ENOENT, ENODEV, ESRCH (routes), EADDRNOTAVAIL (addresses). */
export function isNotFound(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL')
}

/** The object exists already: EEXIST. */
export function isAlreadyExists(error: unknown): boolean {
  return hasCode(error, 'EEXIST')
}

/** The object is in use: EBUSY. */
export function isBusy(error: unknown): boolean {
  return hasCode(error, 'EBUSY')
}
