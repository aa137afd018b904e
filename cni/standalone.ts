import type { ReplyFrame, RequestFrame } from './handover/frame.ts'
import { plugins } from './plugins/index.ts'
import { dispatch } from './protocol/dispatch.ts'

/**
 * Serves a request in the plugin's own process. `repeated` says that an agent died with this request in hand: an ADD
 * then starts from nothing, for it may have been half done. (The runtime never has two ADDs of one attachment under
 * way, so what is there can only be of that one.)
 */
export async function serveInProcess(
  request: RequestFrame,
  { repeated }: { repeated: boolean },
): Promise<ReplyFrame> {
  if (repeated && request.environment['CNI_COMMAND'] === 'ADD') {
    await dispatch({ ...request, environment: { ...request.environment, CNI_COMMAND: 'DEL' } }, { plugins })
  }
  return dispatch(request, { plugins })
}
