// What a peer may do on one connection.
import { RateLimit } from './rate-limit.ts'

export const CONCURRENT_STREAMS = 128
/** Most bytes of a server's head, as in HTTP/1.1. */
export const RESPONSE_HEAD = 65_536
// What it may send ahead on one stream, and on the connection: with the defaults (64 KiB) long bodies crawl.
export const STREAM_WINDOW = 256 * 1024
export const CONNECTION_WINDOW = 2 * 1024 * 1024

/** Resets: a client that opens and resets streams, or makes us reset them, costs us more than itself (CVE-2023-44487, CVE-2025-8671). */
export const newResetLimit = (): RateLimit => new RateLimit(500, 33)

/** Frames that ask for an answer or say nothing: PING, SETTINGS, PRIORITY, unknown ones, empty DATA and CONTINUATION (CVE-2019-9512 to 9518). */
export const newIdleLimit = (): RateLimit => new RateLimit(10_000, 1000)
