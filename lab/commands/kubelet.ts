import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { manifestSource, openStore } from '#watch'
import { CNI_BIN_DIRECTORY, labLayout } from '../cluster/layout.ts'
import { CLUSTER_DOMAIN } from '../cluster/manifests.ts'
import { namespaceName, netnsPath } from '../cluster/names.ts'
import { readState } from '../cluster/state.ts'
import { LabError } from '../errors.ts'
import { CniRuntime } from '../kubelet/cni/runtime.ts'
import { Kubelet } from '../kubelet/kubelet.ts'
import { parseResolvConf } from '../kubelet/resolv-conf.ts'

export interface KubeletCommandOptions {
  /** The lab's state directory. */
  readonly state: string
  readonly node: string
  /** Written once the kubelet follows the manifests. */
  readonly readyFile?: string | undefined
}

/** `plexus lab kubelet`: runs one node's Pods until SIGTERM, which leaves them running. Internal: `lab up` starts it. */
export async function kubelet(options: KubeletCommandOptions): Promise<number> {
  const root = path.resolve(options.state)
  const layout = labLayout(path.basename(root), { root: path.dirname(root) })
  const state = readState(layout)
  const node = state?.nodes.find(({ name }) => name === options.node)
  if (state === undefined || node === undefined) {
    throw new LabError(
      'LAB_NOT_UP',
      `${layout.state} does not know a node "${options.node}": start it with "lab up"`,
    )
  }
  const log = pino({ name: 'kubelet', base: { node: node.name } })
  const files = layout.node(node.name)
  const source = manifestSource({ directories: [layout.manifests, layout.status], log })
  const store = await openStore({ source, log, nodeName: node.name })
  const running = new Kubelet({
    lab: layout,
    node: files,
    nodeNetns: netnsPath(namespaceName(layout.name, node.name)),
    hostIP: node.address,
    dns: {
      clusterDNS: state.clusterDNS,
      clusterDomain: CLUSTER_DOMAIN,
      node: parseResolvConf(readFileSync(files.resolvConf, 'utf8')),
    },
    cni: new CniRuntime({ path: [CNI_BIN_DIRECTORY], cacheDirectory: files.cniCache, log }),
    log,
  })
  running.start(store)
  if (options.readyFile !== undefined) writeFileSync(options.readyFile, `${process.pid}\n`)
  const by = await new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
  log.info({ signal: by }, 'stopping, the pods stay')
  await running.stop()
  await store.close()
  return 0
}
