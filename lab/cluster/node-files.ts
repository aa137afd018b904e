import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import type { LabLayout, NodeLayout } from './layout.ts'
import { CLUSTER_DOMAIN, POD_NETWORK } from './manifests.ts'
import type { LabNode } from './state.ts'
import type { Underlay } from './underlay.ts'

/** Where the agents answer /readyz: the readiness probe of the agents' Pods in the manifests asks there. */
export const AGENT_HEALTH = '127.0.0.1:9253'
export const GATEWAY_PORT = 9080

/** The Admin API key of the lab's gateways; it listens on the node's loopback only. */
export const ADMIN_KEY = 'plexus-lab'

/**
 * Writes everything a node has on its disk before anything runs: configuration of the agent and its components in their
 * peers' formats, the CNI configuration list, the resolv.conf the node got from its network.
 */
export function writeNodeFiles(lab: LabLayout, underlay: Underlay, node: LabNode): void {
  const files = lab.node(node.name)
  const write = (file: string, content: string) => {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  for (const directory of [files.ipam, path.dirname(files.cniSocket), files.pods]) {
    mkdirSync(directory, { recursive: true })
  }
  write(files.agentConfig, stringify(agentConfiguration(lab, files, node)))
  write(files.corefile, corefile(files))
  write(files.netConf, json({ Network: POD_NETWORK, EnableNFTables: true, Backend: { Type: 'vxlan' } }))
  write(files.proxyConfig, stringify(proxyConfiguration(node)))
  write(files.gatewayConfig, stringify(gatewayConfiguration()))
  write(files.resolvConf, `search example.test\nnameserver ${underlay.outside}\n`)
  write(path.join(files.cniConf, '10-plexus.conflist'), json(networkList(files)))
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function agentConfiguration(lab: LabLayout, files: NodeLayout, node: LabNode): unknown {
  return {
    nodeName: node.name,
    manifests: [lab.manifests, lab.status],
    log: { level: 'info', format: 'json' },
    health: { listen: AGENT_HEALTH },
    control: { socket: files.agentSocket },
    cni: { socket: files.cniSocket },
    overlay: { netConf: files.netConf, subnetFile: files.subnetFile },
    proxy: { config: files.proxyConfig },
    dns: { corefile: files.corefile },
    gateway: { config: files.gatewayConfig },
  }
}

/** kubeadm's Corefile, with the node's resolv.conf as the way out. */
function corefile(files: NodeLayout): string {
  return `.:53 {
    errors
    health
    ready
    kubernetes ${CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . ${files.resolvConf}
    cache 30 {
       disable success ${CLUSTER_DOMAIN}
       disable denial ${CLUSTER_DOMAIN}
    }
    loop
    reload
    loadbalance
}
`
}

function proxyConfiguration(node: LabNode): unknown {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clusterCIDR: POD_NETWORK,
    hostnameOverride: node.name,
  }
}

function gatewayConfiguration(): unknown {
  return {
    apisix: { node_listen: GATEWAY_PORT },
    // Several nodes share the machine.
    nginx_config: { worker_processes: 1 },
    deployment: {
      admin: {
        admin_listen: { ip: '127.0.0.1', port: 9180 },
        admin_key: [{ name: 'admin', key: ADMIN_KEY, role: 'admin' }],
      },
    },
  }
}

/** The network every Pod is attached to; subnet and MTU come from the overlay's subnet file. */
function networkList(files: NodeLayout): unknown {
  return {
    cniVersion: '1.1.0',
    name: 'plexus',
    plugins: [
      {
        type: 'plexus',
        socket: files.cniSocket,
        subnetFile: files.subnetFile,
        bridge: 'cni0',
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: true,
        ipam: { type: 'host-local', dataDir: files.ipam },
      },
    ],
  }
}
