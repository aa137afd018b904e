import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { deleteLinkGroupInBackground, isNotFound, type RouteSocket } from '#netlink'

/** IFLA_GROUP of links that are on their way out ('PX' in the upper half, out of the way of groups people use). */
const dyingGroup = 0x5058_0001
/** Deletions under way at once: each holds a thread of libuv's pool, which has four. */
const maximumUnderWay = 3

let underWay = 0

/**
 * Deletes links (a veth takes its peer along) without blocking the event loop, all that come together at once.
 * Resolves as soon as the namespace does not have them any more, which is what a runtime can see; the kernel's
 * clean-up behind that takes its time. Links that go by themselves meanwhile are fine. `socket` and `netns` are of
 * one namespace (absent: the process's own).
 */
export async function removeLinks(
  socket: RouteSocket,
  indexes: readonly number[],
  { netns }: { netns?: string | undefined } = {},
): Promise<void> {
  const condemned = indexes.filter((index) => condemn(socket, index))
  let failure: unknown
  let started = false
  for (let round = 1; ; round += 1) {
    if (!condemned.some((index) => socket.linkGroup(index) === dyingGroup)) return
    if (failure !== undefined) throw failure
    if (underWay < maximumUnderWay && (!started || round % 64 === 0)) {
      started = true
      underWay += 1
      deleteLinkGroupInBackground(dyingGroup, { netns })
        .catch((error: unknown) => {
          failure = error
        })
        .finally(() => {
          underWay -= 1
        })
    }
    // It takes a millisecond or less, which is as long as the shortest timer.
    await (round < 64 ? turn() : sleep(2))
  }
}

/** False if the link is gone already. */
function condemn(host: RouteSocket, index: number): boolean {
  try {
    host.setLink(index, { group: dyingGroup })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
