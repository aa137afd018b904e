/** Limits and timeouts of the client side; times in milliseconds, sizes in bytes. Defaults are APISIX's (nginx's). */
export interface ServerSettings {
  /** Time for a whole request head, and the limit of its size. */
  readonly headerTimeout: number
  readonly maxHeaderSize: number
  /** Longest pause between two reads of a request body. */
  readonly bodyTimeout: number
  /** Longest time a client may take to accept bytes. */
  readonly sendTimeout: number
  /** Idle time of a kept-alive connection, and requests per connection. */
  readonly keepaliveTimeout: number
  readonly keepaliveRequests: number
  /** 0: unlimited. */
  readonly maxBodySize: number
  readonly serverToken: string
}

export const DEFAULT_SERVER_SETTINGS: ServerSettings = {
  headerTimeout: 60_000,
  maxHeaderSize: 32_768,
  bodyTimeout: 60_000,
  sendTimeout: 10_000,
  keepaliveTimeout: 60_000,
  keepaliveRequests: 1000,
  maxBodySize: 0,
  serverToken: 'Plexus',
}
