import type { AttachmentKey } from '../attachment.ts'
import { podsInIptables } from './iptables-leftovers.ts'
import { nftables } from './kernel.ts'
import { publishedPods, withdrawPod } from './publish.ts'
import type { RememberedPods } from './remembered.ts'

/** Takes out the rules of every attachment that is stale; goes on after a failure and throws all of them together. */
export function withdrawStalePods(
  remembered: RememberedPods,
  isStale: (key: AttachmentKey) => boolean,
): void {
  for (const { key } of remembered.all()) if (isStale(key)) remembered.forget(key)
  const problems: unknown[] = []
  for (const key of [...publishedPods(), ...podsInIptables(nftables())]) {
    if (!isStale(key)) continue
    try {
      withdrawPod(key, [])
    } catch (error) {
      problems.push(error)
    }
  }
  if (problems.length > 0) throw new AggregateError(problems, problems.map(String).join('; '))
}
