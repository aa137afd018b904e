export type IpamErrorCode =
  | 'IPAM_DECODE'
  | 'IPAM_INVALID_ARGS'
  | 'IPAM_INVALID_CONFIG'
  | 'IPAM_DUPLICATE'
  | 'IPAM_UNAVAILABLE'
  | 'IPAM_EXHAUSTED'
  | 'IPAM_NOT_FOUND'
  | 'IPAM_STORE'

/** Any failure of address management. Where the reference plugin has a text for it, `message` is that text. */
export class IpamError extends Error {
  readonly code: IpamErrorCode

  constructor(code: IpamErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IpamError'
    this.code = code
  }
}
