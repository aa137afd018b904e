// Test namespaces are named plxt-<pid>-<what>. Those whose process is gone were left by a crash: remove them.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'

const folder = '/run/netns'

/** Deletes the network namespaces of dead test processes; returns their names. */
export function sweepNamespaces(): string[] {
  if (!existsSync(folder)) return []
  const stale = readdirSync(folder).filter((name) => {
    const pid = /^plxt-(\d+)-/.exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  for (const name of stale) spawnSync('ip', ['netns', 'delete', name])
  return stale
}
