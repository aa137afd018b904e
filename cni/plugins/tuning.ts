import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getSysctl, type LinkTuning, linkTuning, setSysctl, tuneLink } from '#netlink'
import { checkPodNetns, refuseOwnNetns } from '../pod-netns.ts'
import { previousResult } from '../protocol/chained.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import type { CniResult } from '../protocol/result.ts'
import { readTuning, sysctlPath, type TuningConfiguration } from '../tuning/configuration.ts'

/** Type `tuning`, chained: sysctls of the pod's namespace and settings of its interface. */
export const tuningPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const conf = readTuning(call)
    const result = previousResult(call)
    checkPodNetns(call)
    for (const [name, value] of conf.sysctls) setPodSysctl(call, name, value)
    const changes = changed(conf.link)
    if (Object.keys(changes).length === 0) return result
    const before = lookUp(call)
    keep(conf, call, before)
    tuneLink(call.netns, before.index, changes)
    const { mac } = conf.link
    if (mac === undefined) return result
    const interfaces = result.interfaces.map((entry) =>
      entry.name === call.ifname && entry.sandbox === call.netns ? { ...entry, mac } : entry,
    )
    return { ...result, interfaces }
  },

  /** Gives the interface its settings back: the runtime may keep it (host-device). Nothing being there is fine. */
  async del(call: CniCall): Promise<void> {
    refuseOwnNetns(call)
    const path = keptPath(readTuning(call), call)
    const kept = readKept(path)
    const now =
      kept === undefined || !existsSync(call.netns) ? undefined : linkTuning(call.netns, call.ifname)
    if (kept !== undefined && now !== undefined) tuneLink(call.netns, now.index, kept)
    rmSync(path, { force: true })
  },

  async check(call: CniCall): Promise<void> {
    if (call.conf.fields.raw('prevResult') === undefined) throw failed('Required prevResult missing')
    const conf = readTuning(call)
    checkPodNetns(call)
    for (const [name, value] of conf.sysctls) {
      const now = getSysctl(sysctlPath(name, call.ifname), call.netns)
      if (now === value) continue
      throw failed(`Error: Tuning configured sysctl of ${name} is ${value}, current value is ${now}`)
    }
    const wanted = changed(conf.link)
    if (Object.keys(wanted).length === 0) return
    const now: LinkTuning = lookUp(call)
    for (const name of Object.keys(wanted) as (keyof LinkTuning)[]) {
      if (String(now[name]).toLowerCase() === String(wanted[name]).toLowerCase()) continue
      throw failed(
        `Error: Tuning configured ${name} of ${call.ifname} is ${wanted[name]}, current value is ${now[name]}`,
      )
    }
  },
}

/** The namespace shares /proc/sys/kernel, /proc/sys/vm ... with the node: those are not a pod's to set. */
function setPodSysctl(call: CniCall, name: string, value: string): void {
  const path = sysctlPath(name, call.ifname)
  if (!path.startsWith('net/')) {
    throw failed(`invalid net sysctl key: "${name}"`, 'only settings below net belong to the pod')
  }
  try {
    setSysctl(path, value, call.netns)
  } catch (error) {
    throw failed(`failed to set sysctl ${name}=${value}: ${(error as Error).message}`)
  }
}

function lookUp({ netns, ifname }: CniCall): Required<LinkTuning> & { index: number } {
  const link = linkTuning(netns, ifname)
  if (link === undefined) throw failed(`failed to lookup "${ifname}": Link not found`)
  return link
}

function changed(tuning: LinkTuning): LinkTuning {
  return Object.fromEntries(Object.entries(tuning).filter(([, value]) => value !== undefined)) as LinkTuning
}

/** File and keys as the reference plugin's backup, so that either can restore what the other kept. */
function keep(conf: TuningConfiguration, call: CniCall, before: LinkTuning): void {
  const { link } = conf
  const backup = {
    ...(link.mac === undefined ? {} : { mac: before.mac }),
    ...(link.mtu === undefined ? {} : { mtu: before.mtu }),
    ...(link.promiscuous === undefined ? {} : { promisc: before.promiscuous }),
    ...(link.allMulticast === undefined ? {} : { allmulti: before.allMulticast }),
    ...(link.txQueueLength === undefined ? {} : { txQLen: before.txQueueLength }),
  }
  mkdirSync(conf.dataDirectory, { recursive: true, mode: 0o755 })
  writeFileSync(keptPath(conf, call), JSON.stringify(backup), { mode: 0o600 })
}

function keptPath({ dataDirectory }: TuningConfiguration, { containerID, ifname }: CniCall): string {
  return join(dataDirectory, `${containerID}_${ifname}.json`)
}

function readKept(path: string): LinkTuning | undefined {
  try {
    const { mac, mtu, promisc, allmulti, txQLen } = JSON.parse(readFileSync(path, 'utf8')) as {
      mac?: string
      mtu?: number
      promisc?: boolean
      allmulti?: boolean
      txQLen?: number
    }
    return changed({ mac, mtu, promiscuous: promisc, allMulticast: allmulti, txQueueLength: txQLen })
  } catch {
    return undefined
  }
}

function failed(message: string, details = ''): CniError {
  return new CniError(cniCodes.internal, message, { details })
}
