/** Something wrong in a zone file or in the text of a record. */
export class ZoneError extends Error {
  readonly code = 'DNS_ZONE'

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ZoneError'
  }
}
