import type { Pod } from '#watch'

const MAX_HOSTNAME = 63

/** The host name of a Pod: spec.hostname or its own name, at most 63 characters, with the domain if it asks for that. */
export function podHostname(pod: Pod, clusterDomain: string): { hostname: string; fqdn?: string } {
  const { hostname, subdomain, setHostnameAsFQDN } = pod.spec
  // kubelet cuts a long name and then may not leave it ending in a hyphen or dot (truncatePodHostnameIfNeeded).
  const short = (hostname || pod.metadata.name).slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '')
  if (subdomain === '') return { hostname: short }
  const fqdn = `${short}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`
  return { hostname: setHostnameAsFQDN ? fqdn : short, fqdn }
}

/** /etc/hosts of a Pod, as kubelet writes it (pkg/kubelet/kubelet_pods.go managedHostsFileContent). */
export function podHostsFile(options: {
  pod: Pod
  clusterDomain: string
  addresses: readonly string[]
}): string {
  const { pod, addresses, clusterDomain } = options
  const { hostname, fqdn } = podHostname(pod, clusterDomain)
  const names = fqdn === undefined || fqdn === hostname ? hostname : `${fqdn}\t${hostname}`
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'fe00::\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...addresses.map((address) => `${address}\t${names}`),
  ]
  if (pod.spec.hostAliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.')
    for (const { ip, hostnames } of pod.spec.hostAliases) lines.push(`${ip}\t${hostnames.join('\t')}`)
  }
  return `${lines.join('\n')}\n`
}
