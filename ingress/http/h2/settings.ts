import { Code, H2Fault } from './fault.ts'
import { FRAME_SIZE, MOST_WINDOW, Setting } from './frames.ts'

const MOST_FRAME = 2 ** 24 - 1

/** What of a SETTINGS frame matters here; our frames are never larger than every peer takes, and our blocks need no table. */
export function readSettings(payload: Buffer): { readonly initialWindow: number | undefined } {
  if (payload.length % 6 !== 0) throw new H2Fault(Code.frameSize, 'SETTINGS of odd size')
  let initialWindow: number | undefined
  for (let at = 0; at < payload.length; at += 6) {
    const value = payload.readUInt32BE(at + 2)
    switch (payload.readUInt16BE(at)) {
      case Setting.enablePush:
        if (value > 1) throw new H2Fault(Code.protocol, 'ENABLE_PUSH is neither 0 nor 1')
        break
      case Setting.initialWindow:
        if (value > MOST_WINDOW) throw new H2Fault(Code.flowControl, 'INITIAL_WINDOW_SIZE too large')
        initialWindow = value
        break
      case Setting.maxFrame:
        if (value < FRAME_SIZE || value > MOST_FRAME)
          throw new H2Fault(Code.protocol, 'MAX_FRAME_SIZE out of range')
        break
    }
  }
  return { initialWindow }
}
