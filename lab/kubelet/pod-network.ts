import type { Pod } from '#watch'
import { loadDefaultNetwork } from './cni/network-list.ts'
import type { Attachment } from './cni/result-cache.ts'
import type { KubeletContext } from './context.ts'
import type { PodRecord } from './pod-record.ts'

const INTERFACE = 'eth0'

type Sandbox = Pick<PodRecord, 'namespace' | 'name' | 'sandboxId' | 'netns'>

function attachment(
  sandbox: Sandbox,
  extra: Pick<Attachment, 'capabilities'> & { uid?: string },
): Attachment {
  return {
    containerId: sandbox.sandboxId,
    netns: sandbox.netns,
    ifName: INTERFACE,
    // What CRI runtimes send (containerd internal/cri/server/sandbox_run_linux.go, toCNILabels).
    args: [
      ['IgnoreUnknown', '1'],
      ['K8S_POD_NAMESPACE', sandbox.namespace],
      ['K8S_POD_NAME', sandbox.name],
      ['K8S_POD_INFRA_CONTAINER_ID', sandbox.sandboxId],
      ['K8S_POD_UID', extra.uid ?? ''],
    ],
    capabilities: extra.capabilities,
  }
}

/** What a Pod's hostPorts mean to a plugin with the capability `portMappings`. */
function portMappings(pod: Pod): unknown[] {
  return pod.spec.containers
    .flatMap(({ ports }) => ports)
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIP }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      ...(hostIP === '' ? {} : { hostIP }),
    }))
}

/** Attaches a Pod's namespace to the node's default network; resolves to its addresses, without prefix length. */
export async function attachPod(context: KubeletContext, pod: Pod, sandbox: Sandbox): Promise<string[]> {
  const network = loadDefaultNetwork(context.node.cniConf)
  const mappings = portMappings(pod)
  const result = await context.cni.add(
    network,
    attachment(sandbox, {
      uid: pod.metadata.uid,
      capabilities: mappings.length === 0 ? undefined : { portMappings: mappings },
    }),
  )
  return (result.ips ?? []).map(({ address }) => address.split('/')[0] ?? address)
}

/** Detaches it again; what ADD was given (arguments, port mappings, configuration) comes from the result cache. */
export async function detachPod(context: KubeletContext, sandbox: Sandbox): Promise<void> {
  const network = loadDefaultNetwork(context.node.cniConf)
  await context.cni.del(network, attachment(sandbox, { capabilities: undefined }))
}
