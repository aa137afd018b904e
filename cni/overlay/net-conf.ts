import { readFileSync } from 'node:fs'
import { parsePrefix } from '#netlink'
import { NetConfError } from './errors.ts'
import { networkText } from './prefix.ts'

/** flannel's net-conf.json, as far as it matters where subnets are the Nodes' podCIDRs. */
export interface NetConf {
  /** The cluster's pod networks by family; at least one. */
  readonly networks: { readonly 4?: string | undefined; readonly 6?: string | undefined }
  readonly backend: Backend
  /** Keys that are of no use here, as written; flannel itself ignores most where subnets are podCIDRs. */
  readonly ignored: readonly string[]
}

export type Backend = VxlanBackend | HostGatewayBackend

export interface VxlanBackend {
  readonly type: 'vxlan'
  readonly vni: number
  /** UDP port; undefined: the kernel's default 8472. */
  readonly port?: number | undefined
  /** MTU of the underlay; undefined: that of the external interface. */
  readonly mtu?: number | undefined
  readonly learning: boolean
  readonly gbp: boolean
  /** Route directly to nodes on the same link. */
  readonly directRouting: boolean
  /** tx-checksum-ip-generic of the device (not flannel's): 'auto' switches it off only when a probe fails. */
  readonly checksumOffload: 'auto' | 'on' | 'off'
}

export interface HostGatewayBackend {
  readonly type: 'host-gw'
  readonly mtu?: number | undefined
}

/** Reads net-conf.json; throws NetConfError naming file and field. */
export function loadNetConf(file: string): NetConf {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error
    throw new NetConfError(file, undefined, `cannot be read (${code})`, { cause: error })
  }
  return parseNetConf(text, file)
}

/** Parses the text of a net-conf.json; `file` is for errors. Keys are matched without case, as Go's JSON does. */
export function parseNetConf(text: string, file = 'net-conf.json'): NetConf {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw new NetConfError(file, undefined, `is no JSON: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    })
  }
  const root = new Section(file, '', raw)
  const network4 = root.flag('EnableIPv4', 'on') ? root.network('Network', 4) : undefined
  const network6 = root.flag('EnableIPv6', 'off') ? root.network('IPv6Network', 6) : undefined
  if (root.flag('EnableIPv4', 'on') && network4 === undefined) {
    throw new NetConfError(
      file,
      'Network',
      "is missing: the cluster's pod network as a CIDR, e.g. 10.244.0.0/16",
    )
  }
  if (root.flag('EnableIPv6', 'off') && network6 === undefined) {
    throw new NetConfError(file, 'IPv6Network', 'is missing although EnableIPv6 is true')
  }
  if (network4 === undefined && network6 === undefined) {
    throw new NetConfError(file, 'EnableIPv4', 'is false, and EnableIPv6 is not true: no network is left')
  }
  // Rules are always nftables' here.
  root.flag('EnableNFTables', 'on')
  const section = root.section('Backend')
  const backend = parseBackend(section)
  return {
    networks: { 4: network4, 6: network6 },
    backend,
    ignored: [...root.unread(), ...section.unread()],
  }
}

function parseBackend(section: Section): Backend {
  // flannel's code falls back to "udp", its documentation says vxlan: we go by the documentation.
  const type = section.text('Type')?.toLowerCase() ?? 'vxlan'
  const mtu = section.integer('MTU', 0, 65535)
  const common = { mtu: mtu === 0 ? undefined : mtu }
  if (type === 'host-gw') return { type, ...common }
  if (type !== 'vxlan') {
    throw section.error('Type', `'${type}' is not supported: vxlan and host-gw are`)
  }
  const port = section.integer('Port', 0, 65535)
  return {
    type,
    ...common,
    vni: section.integer('VNI', 0, 0xffffff) ?? 1,
    port: port === 0 ? undefined : port,
    learning: section.flag('Learning', 'off'),
    gbp: section.flag('GBP', 'off'),
    directRouting: section.flag('DirectRouting', 'off'),
    checksumOffload: section.choice('ChecksumOffload', ['auto', 'on', 'off']) ?? 'auto',
  }
}

/** A JSON object whose keys are looked up without case. */
class Section {
  readonly #file: string
  readonly #path: string
  readonly #values = new Map<string, unknown>()
  readonly #spelling = new Map<string, string>()
  readonly #read = new Set<string>()

  constructor(file: string, path: string, raw: unknown) {
    this.#file = file
    this.#path = path
    if (raw === undefined || (raw === null && path !== '')) return
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      throw new NetConfError(file, path === '' ? undefined : path, 'must be a JSON object')
    }
    for (const [key, value] of Object.entries(raw)) {
      this.#values.set(key.toLowerCase(), value)
      this.#spelling.set(key.toLowerCase(), key)
    }
  }

  /** Keys that nobody has asked for. */
  unread(): string[] {
    return [...this.#spelling].filter(([key]) => !this.#read.has(key)).map(([, key]) => this.#name(key))
  }

  error(key: string, problem: string): NetConfError {
    return new NetConfError(this.#file, this.#name(key), problem)
  }

  section(key: string): Section {
    return new Section(this.#file, this.#name(key), this.#get(key))
  }

  text(key: string): string | undefined {
    const value = this.#get(key)
    if (value === undefined || value === '') return undefined
    if (typeof value !== 'string') throw this.error(key, `must be a string, is ${JSON.stringify(value)}`)
    return value
  }

  flag(key: string, fallback: 'on' | 'off'): boolean {
    const value = this.#get(key)
    if (value === undefined) return fallback === 'on'
    if (typeof value !== 'boolean')
      throw this.error(key, `must be true or false, is ${JSON.stringify(value)}`)
    return value
  }

  choice<T extends string>(key: string, values: readonly T[]): T | undefined {
    const text = this.text(key)?.toLowerCase()
    const value = values.find((candidate) => candidate === text)
    if (text !== undefined && value === undefined) {
      throw this.error(key, `must be one of ${values.join(', ')}, is '${text}'`)
    }
    return value
  }

  integer(key: string, min: number, max: number): number | undefined {
    const value = this.#get(key)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw this.error(key, `must be an integer from ${min} to ${max}, is ${JSON.stringify(value)}`)
    }
    return value
  }

  network(key: string, family: 4 | 6): string | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const problem = `must be an IPv${family} network such as ${family === 4 ? '10.244.0.0/16' : 'fd00:10:244::/56'}, is '${text}'`
    try {
      if (!text.includes('/') || parsePrefix(text).family !== family) throw this.error(key, problem)
    } catch (error) {
      if (error instanceof NetConfError) throw error
      throw this.error(key, problem)
    }
    return networkText(text)
  }

  #get(key: string): unknown {
    this.#read.add(key.toLowerCase())
    return this.#values.get(key.toLowerCase()) ?? undefined
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }
}
