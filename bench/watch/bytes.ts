// What one object of each kind takes in the watch cache. The second store of each: the first also pays for what all share.
import { pino } from 'pino'
import { kubernetesSource, openStore, type Store } from '#watch'
import { heldMb } from './contender.ts'

const [kubeconfig = ''] = process.argv.slice(2)
const log = pino({ level: 'silent' })
const bytes: Record<string, number> = {}
const kept: Store[] = []
for (let round = 0; round < 2; round++) {
  for (const kind of ['Node', 'Pod', 'Service', 'EndpointSlice'] as const) {
    const before = heldMb()
    const store = await openStore({ source: kubernetesSource({ kubeconfig, log, kinds: [{ kind }] }), log })
    kept.push(store)
    // The connection lets go of the last of the list.
    await new Promise((resolve) => setTimeout(resolve, 300))
    bytes[kind] = ((heldMb() - before) * 1e6) / store.size(kind)
  }
}
process.send?.(bytes)
process.on('SIGTERM', () => process.exit(kept.length > 0 ? 0 : 1))
