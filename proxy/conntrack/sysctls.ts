import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import { getSysctl, setSysctl } from '#netlink'
import type { ConntrackConfiguration } from '../config/configuration.ts'

const HASH_SIZE = '/sys/module/nf_conntrack/parameters/hashsize'
/** kube-proxy's cap on what it derives from the number of cores. */
const MAX_DERIVED = 1 << 20

/** The settings of net/netfilter/nf_conntrack_* that a configuration asks for. */
export function conntrackSysctls(config: ConntrackConfiguration, cores: number): ReadonlyMap<string, number> {
  const wanted = new Map<string, number>()
  const want = (name: string, value: number | undefined): void => {
    if (value !== undefined) wanted.set(name, value)
  }
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : Math.ceil(ms / 1000))
  if (config.maxPerCore !== undefined)
    want('max', Math.max(Math.min(config.maxPerCore * cores, MAX_DERIVED), config.min ?? 0))
  want('tcp_timeout_established', seconds(config.tcpEstablishedTimeout))
  want('tcp_timeout_close_wait', seconds(config.tcpCloseWaitTimeout))
  want('tcp_be_liberal', config.tcpBeLiberal ? 1 : undefined)
  want('udp_timeout', seconds(config.udpTimeout))
  want('udp_timeout_stream', seconds(config.udpStreamTimeout))
  return wanted
}

/**
 * Writes those settings where they differ. In a container or a network namespace some are read-only: that is logged, and
 * nothing depends on it.
 */
export function applyConntrackSysctls(
  config: ConntrackConfiguration,
  { netns, log }: { netns?: string | undefined; log: Logger },
): void {
  for (const [name, value] of conntrackSysctls(config, availableParallelism())) {
    const path = `net/netfilter/nf_conntrack_${name}`
    try {
      if (Number(getSysctl(path, netns)) === value) continue
      setSysctl(path, String(value), netns)
      log.info({ sysctl: path, value }, 'conntrack setting written')
      if (name === 'max' && netns === undefined) widenHashTable(value)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      log.info({ sysctl: path, value, reason }, 'conntrack setting cannot be written')
    }
  }
}

/** Four connections per bucket at most. */
function widenHashTable(max: number): void {
  const size = Math.ceil(max / 4)
  if (Number(readFileSync(HASH_SIZE, 'utf8')) < size) writeFileSync(HASH_SIZE, String(size))
}
