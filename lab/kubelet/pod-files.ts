import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Pod } from '#watch'
import type { KubeletContext } from './context.ts'
import { podHostname, podHostsFile } from './hosts-file.ts'
import { formatResolvConf, podResolvConf } from './resolv-conf.ts'

/** Folder with the files of /etc that a Pod has of its own. */
export function podEtcDirectory(context: KubeletContext, pod: { namespace: string; name: string }): string {
  return path.join(context.node.pods, `${pod.namespace}.${pod.name}.etc`)
}

/** Writes resolv.conf, hosts, hostname and nsswitch.conf of a Pod; they are mounted into its containers. */
export function writePodFiles(context: KubeletContext, pod: Pod, addresses: readonly string[]): void {
  const directory = podEtcDirectory(context, pod.metadata)
  mkdirSync(directory, { recursive: true })
  const write = (file: string, text: string) => writeFileSync(path.join(directory, file), text)
  const { conf, exceeded } = podResolvConf(pod, context.dns)
  for (const what of exceeded) {
    context.log.warn({ object: `Pod ${pod.metadata.namespace}/${pod.metadata.name}` }, what)
  }
  write('resolv.conf', formatResolvConf(conf))
  // In an image this says "files, then DNS"; the machine's may ask systemd-resolved, which is outside the pod.
  write('nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n')
  if (pod.spec.hostNetwork) return
  const { clusterDomain } = context.dns
  write('hosts', podHostsFile({ pod, clusterDomain, addresses }))
  write('hostname', `${podHostname(pod, clusterDomain).hostname}\n`)
}

export function removePodFiles(context: KubeletContext, pod: { namespace: string; name: string }): void {
  rmSync(podEtcDirectory(context, pod), { recursive: true, force: true })
}
