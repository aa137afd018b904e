import { randomBytes } from 'node:crypto'

/** Where a request stands in a trace. Ids in lower-case hex: 32 and 16 digits. */
export interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly sampled: boolean
}

export function newTraceId(): string {
  return randomBytes(16).toString('hex')
}
export function newSpanId(): string {
  return randomBytes(8).toString('hex')
}

/** W3C Trace Context §3.2; undefined if the field is absent or wrong, which starts a new trace. */
export function parseTraceparent(
  header: string | undefined,
): { readonly traceId: string; readonly parentId: string; readonly sampled: boolean } | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header ?? '')
  if (match === null) return undefined
  const [, version = '', traceId = '', parentId = '', flags = '', more] = match
  const empty = /^0+$/
  if (
    version === 'ff' ||
    (version === '00' && more !== undefined) ||
    empty.test(traceId) ||
    empty.test(parentId)
  )
    return undefined
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function traceparent({ traceId, spanId, sampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}

/** The share of traces to take decided by the trace's id, so that everybody on its way decides alike. */
export function inShare(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-8), 16) < ratio * 2 ** 32
}
