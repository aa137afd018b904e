import { Code, H2Fault } from './fault.ts'
import { Flag, Frame } from './frames.ts'

const CONNECTION_FRAMES: ReadonlySet<number> = new Set([Frame.settings, Frame.ping, Frame.goaway])
const STREAM_FRAMES: ReadonlySet<number> = new Set([
  Frame.data,
  Frame.headers,
  Frame.priority,
  Frame.reset,
  Frame.continuation,
])
/** Payloads of one size only. */
const SIZES: ReadonlyMap<number, number> = new Map([
  [Frame.reset, 4],
  [Frame.ping, 8],
  [Frame.windowUpdate, 4],
])
const PRIORITY_SIZE = 5

/** What a frame must be, whatever the state (RFC 9113 §6); throws H2Fault. Types that are not known mean nothing (§4.1). */
export function checkFrame(type: number, stream: number, payload: Buffer): void {
  if (stream === 0 ? STREAM_FRAMES.has(type) : CONNECTION_FRAMES.has(type))
    throw new H2Fault(Code.protocol, 'a frame of the wrong stream')
  const size = SIZES.get(type)
  if (size !== undefined && payload.length !== size) throw new H2Fault(Code.frameSize, 'a frame of odd size')
  if (type === Frame.pushPromise) throw new H2Fault(Code.protocol, 'PUSH_PROMISE, which nobody may send us')
  if (type !== Frame.priority) return
  if (payload.length !== PRIORITY_SIZE) throw new H2Fault(Code.frameSize, 'PRIORITY of odd size', stream)
  checkDependency(stream, payload)
}

function checkDependency(stream: number, payload: Buffer): void {
  if ((payload.readUInt32BE(0) & 0x7fffffff) === stream)
    throw new H2Fault(Code.protocol, 'a stream that depends on itself', stream)
}

/** The payload of DATA or HEADERS without its padding. */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & Flag.padded) === 0) return payload
  const padding = payload[0] ?? payload.length
  if (padding >= payload.length) throw new H2Fault(Code.protocol, 'more padding than payload')
  return payload.subarray(1, payload.length - padding)
}

/** The fragment of a header block in a HEADERS frame. */
export function headerFragment(stream: number, flags: number, payload: Buffer): Buffer {
  const fragment = unpadded(flags, payload)
  if ((flags & Flag.priority) === 0) return fragment
  if (fragment.length < PRIORITY_SIZE) throw new H2Fault(Code.frameSize, 'HEADERS too short')
  checkDependency(stream, fragment)
  return fragment.subarray(PRIORITY_SIZE)
}
