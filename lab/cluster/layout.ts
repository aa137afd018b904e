import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout: the lab runs `bin/plexus`, `bin/cni/*` and `examples/bookstore` of the repository it belongs to. */
export const REPOSITORY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

export const PLEXUS_BINARY = path.join(REPOSITORY, 'bin/plexus')
export const CNI_BIN_DIRECTORY = path.join(REPOSITORY, 'bin/cni')
export const BOOKSTORE = path.join(REPOSITORY, 'examples/bookstore')

const STATE_ROOT = '/run/plexus/lab'

/** Where everything of a lab lies on disk. */
export interface LabLayout {
  readonly name: string
  readonly root: string
  readonly state: string
  readonly lock: string
  readonly logs: string
  /** The user's: editing a file here changes the cluster. */
  readonly manifests: string
  /** The kubelets': one `<namespace>.<pod>.status.yaml` per Pod. */
  readonly status: string
  /** One folder per container image. */
  readonly images: string
  /** Corefile of the DNS server outside the cluster. */
  readonly upstreamCorefile: string
  node(node: string): NodeLayout
}

/** Files of one node. */
export interface NodeLayout {
  readonly name: string
  readonly root: string
  readonly agentConfig: string
  readonly corefile: string
  readonly netConf: string
  readonly proxyConfig: string
  readonly gatewayConfig: string
  readonly resolvConf: string
  /** CNI: configuration, results cached as libcni does, addresses given out. */
  readonly cniConf: string
  readonly cniCache: string
  readonly ipam: string
  readonly cniSocket: string
  readonly subnetFile: string
  /** Socket that `plexus status` asks. */
  readonly agentSocket: string
  readonly agentReady: string
  readonly kubeletReady: string
  /** One record per Pod the kubelet runs: what a restarted kubelet adopts. */
  readonly pods: string
}

export function labLayout(name: string, options: { root?: string } = {}): LabLayout {
  const root = path.join(options.root ?? STATE_ROOT, name)
  return {
    name,
    root,
    state: path.join(root, 'state.json'),
    lock: `${root}.lock`,
    logs: path.join(root, 'logs'),
    manifests: path.join(root, 'manifests'),
    status: path.join(root, 'status'),
    images: path.join(root, 'images'),
    upstreamCorefile: path.join(root, 'outside.Corefile'),
    node: (node) => nodeLayout(path.join(root, node), node),
  }
}

function nodeLayout(root: string, name: string): NodeLayout {
  return {
    name,
    root,
    agentConfig: path.join(root, 'agent.yaml'),
    corefile: path.join(root, 'Corefile'),
    netConf: path.join(root, 'net-conf.json'),
    proxyConfig: path.join(root, 'kube-proxy.yaml'),
    gatewayConfig: path.join(root, 'gateway.yaml'),
    resolvConf: path.join(root, 'resolv.conf'),
    cniConf: path.join(root, 'cni/net.d'),
    cniCache: path.join(root, 'cni'),
    ipam: path.join(root, 'var/networks'),
    cniSocket: path.join(root, 'run/cni.sock'),
    subnetFile: path.join(root, 'run/subnet.env'),
    agentSocket: path.join(root, 'run/agent.sock'),
    agentReady: path.join(root, 'run/agent.ready'),
    kubeletReady: path.join(root, 'run/kubelet.ready'),
    pods: path.join(root, 'pods'),
  }
}
