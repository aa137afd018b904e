/** Errors of the DNS server that a user has to act on. Codec errors are in wire/errors.ts. */

export type DnsErrorCode =
  | 'DNS_COREFILE_READ'
  | 'DNS_COREFILE_SYNTAX'
  | 'DNS_COREFILE_DIRECTIVE'
  | 'DNS_COREFILE_KEY'
  | 'DNS_PLUGIN_UNKNOWN'
  | 'DNS_PLUGIN_PLANNED'
  | 'DNS_LISTEN'
  | 'DNS_WORKER'
  | 'DNS_NODE_LOCAL'
  | 'DNS_FLAG'

export class DnsError extends Error {
  readonly code: DnsErrorCode

  constructor(code: DnsErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DnsError'
    this.code = code
  }
}

/** Where something stands in a configuration file; lines count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
}

/** Something wrong in the Corefile: 'Corefile:12: ...'. */
export class CorefileError extends DnsError {
  readonly file: string
  readonly line: number

  constructor(code: DnsErrorCode, at: Position, message: string, options?: { cause?: unknown }) {
    super(code, `${at.file}:${at.line}: ${message}`, options)
    this.name = 'CorefileError'
    this.file = at.file
    this.line = at.line
  }
}
