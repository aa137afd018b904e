import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { CniRuntimeError } from './errors.ts'

/** A plugin's part of the configuration; everything in it but these keys is the plugin's own business. */
export interface PluginConf {
  readonly type: string
  readonly capabilities?: Readonly<Record<string, boolean>>
  readonly [key: string]: unknown
}

/** A CNI network configuration list (CNI spec 1.1.0, section 1). */
export interface NetworkList {
  readonly name: string
  readonly cniVersion: string
  readonly disableCheck: boolean
  readonly plugins: readonly PluginConf[]
  /** The file's content: goes into the result cache. */
  readonly source: string
}

/** The first configuration of the directory in lexical order is the default network, as containerd and CRI-O choose it. */
export function loadDefaultNetwork(directory: string): NetworkList {
  const file = readdirSync(directory)
    .filter((name) => /\.(conflist|conf|json)$/.test(name))
    .sort()[0]
  if (file === undefined) {
    throw new CniRuntimeError(`no network configuration in ${directory}: put a .conflist there`)
  }
  const full = path.join(directory, file)
  return parseNetworkList(readFileSync(full, 'utf8'), full)
}

/** Reads a .conflist, or a single-plugin .conf as a list of one. */
export function parseNetworkList(source: string, file: string): NetworkList {
  const fail = (what: string, cause?: unknown): never => {
    throw new CniRuntimeError(`${file}: ${what}`, { cause })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(source)
  } catch (cause) {
    return fail(`not JSON (${cause instanceof Error ? cause.message : cause})`, cause)
  }
  if (typeof parsed !== 'object' || parsed === null) return fail('not a JSON object')
  const list = parsed as Record<string, unknown>
  const { name, cniVersion = '0.1.0' } = list
  if (typeof name !== 'string' || name === '') return fail('"name" is missing')
  if (typeof cniVersion !== 'string') return fail('"cniVersion" is not a string')
  const plugins = 'plugins' in list ? list['plugins'] : [list]
  if (!Array.isArray(plugins) || plugins.length === 0) return fail('"plugins" is not a list of plugins')
  plugins.forEach((plugin, index) => {
    if (typeof plugin?.type !== 'string' || plugin.type === '') fail(`"plugins[${index}].type" is missing`)
  })
  const disableCheck = list['disableCheck'] === true || list['disableCheck'] === 'true'
  return { name, cniVersion, disableCheck, plugins: plugins as PluginConf[], source }
}
