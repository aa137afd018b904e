import { NftSocket } from '#netlink'
import { DEFAULT_CONFIGURATION } from '#proxy'
import type { Elements } from '../../../proxy/model/sets.ts'
import { nodeState } from '../../../proxy/node-view.ts'
import { buildRuleset } from '../../../proxy/rules/ruleset.ts'
import { readKernelState } from '../../../proxy/sync/kernel-state.ts'

/** All set elements of our table of one family in a namespace, clients of session affinity left out. */
export function kernelElements(netns: string, family: 4 | 6): Elements {
  const socket = new NftSocket({ netns })
  try {
    const ruleset = buildRuleset(
      family,
      DEFAULT_CONFIGURATION,
      nodeState('n1', undefined, DEFAULT_CONFIGURATION),
    )
    return readKernelState(socket, { family: family === 4 ? 'ip' : 'ip6', table: 'plexus-proxy' }, ruleset)
      .elements
  } finally {
    socket.close()
  }
}
