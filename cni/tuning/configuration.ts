import { readFileSync } from 'node:fs'
import { type Fields, parseCniArgs } from '#ipam'
import type { LinkTuning } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall } from '../protocol/plugin.ts'

export interface TuningConfiguration {
  /** Paths below /proc/sys, with slashes. */
  readonly sysctls: ReadonlyMap<string, string>
  readonly link: LinkTuning
  readonly dataDirectory: string
}

/** A list of regular expressions, one a line; without the file every sysctl is allowed. */
const allowlist = '/etc/cni/tuning/allowlist.conf'

/** Reads the configuration of type `tuning`; runtimeConfig.mac beats args beats CNI_ARGS. */
export function readTuning(call: CniCall): TuningConfiguration {
  const { fields } = call.conf
  const sysctls = new Map<string, string>()
  addSysctls(sysctls, fields.object('sysctl'), 'sysctl')
  addSysctls(sysctls, fields.object('args')?.object('cni')?.object('sysctl'), 'args.cni.sysctl')
  refuseUnlisted([...sysctls.keys()])
  const mac =
    fields.object('runtimeConfig')?.string('mac') ||
    fields.object('args')?.object('cni')?.string('mac') ||
    parseCniArgs(call.args, ['MAC']).get('MAC') ||
    fields.string('mac') ||
    undefined
  if (mac !== undefined && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) {
    throw new CniError(cniCodes.invalidConfig, `invalid MAC address ${mac}`)
  }
  return {
    sysctls,
    link: {
      mac,
      mtu: fields.integer('mtu') || undefined,
      promiscuous: fields.boolean('promisc') || undefined,
      allMulticast: fields.boolean('allmulti'),
      txQueueLength: fields.integer('txQLen'),
    },
    dataDirectory: fields.string('dataDir') || '/run/cni/tuning',
  }
}

/** 'net.ipv4.conf.IFNAME.x' or with slashes (then a dot belongs to a name, as in VLAN devices). */
export function sysctlPath(name: string, ifname: string): string {
  const path = name.includes('/') ? name : name.replaceAll('.', '/')
  return path.replaceAll('IFNAME', ifname)
}

function addSysctls(into: Map<string, string>, from: Fields | undefined, path: string): void {
  for (const name of from?.names() ?? []) {
    const value = from?.raw(name)
    if (typeof value !== 'string') throw invalid(`${path}.${name}: expected a string`)
    if (into.has(name)) throw invalid(`duplicate sysctl key "${name}" in ${path}`)
    if (sysctlPath(name, 'x').split('/').includes('..')) throw invalid(`invalid sysctl key: "${name}"`)
    into.set(name, value)
  }
}

function refuseUnlisted(names: readonly string[]): void {
  let text: string
  try {
    text = readFileSync(allowlist, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const patterns = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => new RegExp(line))
  const refused = names.find((name) => !patterns.some((pattern) => pattern.test(name)))
  if (refused !== undefined)
    throw invalid(
      `Sysctl ${refused} is not allowed. Only the following sysctls are allowed: ${patterns.map(({ source }) => source).join(' ')}`,
    )
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
