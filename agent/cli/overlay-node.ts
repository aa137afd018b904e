// Where `plexus overlay` finds its Node: as flanneld does.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { OverlayFlags } from '#cni'
import { kubernetesSource } from '#watch'
import { messageOf } from '../errors.ts'
import type { SourceSettings } from '../source.ts'
import { asConfiguration, UsageError } from './usage-error.ts'

const retryMs = 3000

/** The node that the Pod we run in is on; waits until the API server tells. */
export async function nodeOfPod(
  source: SourceSettings,
  { pod, log }: { pod: OverlayFlags['pod']; log: Logger },
): Promise<string> {
  if (pod === undefined) throw new UsageError('--node-name is missing, and so is NODE_NAME')
  const { client, stop } = await asConfiguration(() => {
    const opened = kubernetesSource({ ...source, kinds: [], log })
    return { client: opened.client, stop: () => opened.stop() }
  })
  const object = `Pod ${pod.namespace}/${pod.name}`
  try {
    for (let told = ''; ; await sleep(retryMs)) {
      try {
        const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`
        const found = (await client.json({ path })) as { spec?: { nodeName?: string } }
        if (found.spec?.nodeName !== undefined) return found.spec.nodeName
      } catch (error) {
        if (messageOf(error) !== told)
          log.warn({ object, err: error }, 'waits for the Pod that tells the node')
        told = messageOf(error)
      }
    }
  } finally {
    await stop()
  }
}
