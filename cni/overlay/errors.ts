/** A net-conf.json that cannot be used. `field` is the key inside, e.g. 'Backend.VNI'. */
export class NetConfError extends Error {
  readonly code = 'OVERLAY_NET_CONF'
  readonly file: string
  readonly field: string | undefined

  constructor(file: string, field: string | undefined, problem: string, options?: { cause?: unknown }) {
    super(`${file}: ${field === undefined ? '' : `${field}: `}${problem}`, options)
    this.name = 'NetConfError'
    this.file = file
    this.field = field
  }
}

/** The overlay cannot work yet, and says what it waits for; it tries again by itself. */
export class OverlayWaitError extends Error {
  readonly code = 'OVERLAY_WAITING'

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'OverlayWaitError'
  }
}
