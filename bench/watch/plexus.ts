import { pino } from 'pino'
import { kubernetesSource, openStore } from '#watch'
import { contend } from './contender.ts'

const [kubeconfig = '', coalesceMs = '5'] = process.argv.slice(2)
const log = pino({ level: 'silent' })
const kinds = (['Node', 'Pod', 'Service', 'EndpointSlice'] as const).map((kind) => ({ kind }))

await contend(async (heard) => {
  const store = await openStore({ source: kubernetesSource({ kubeconfig, log, kinds }), log })
  store.subscribe(
    { name: 'bench', kinds: ['EndpointSlice'], services: true, coalesceMs: Number(coalesceMs) },
    (changes) => {
      for (const service of changes.services) store.endpoints.of(service)
      for (const { after } of changes.objects('EndpointSlice').values()) {
        heard(Number(after?.metadata.annotations['bench/at']))
      }
    },
  )
  return store
})
