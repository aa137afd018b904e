import type { Next, Plugin } from '../core/plugin.ts'
import type { BlockSettings, InstanceView, PluginDefinition, Setup, Surroundings } from '../core/setup.ts'
import type { Corefile } from '../corefile/parse.ts'
import type { Block, Directive } from '../corefile/tree.ts'
import { parseZoneKey, type Scheme } from '../corefile/zone-key.ts'
import { CorefileError } from '../errors.ts'
import { pluginOrder } from '../plugin-order.ts'
import { endOfChain, refusal } from '../server/dispatch.ts'
import { checkDirectives } from './check.ts'

/** A server block ready to take queries. */
export interface BuiltBlock {
  readonly settings: BlockSettings
  readonly plugins: readonly Plugin[]
  readonly chain: Next | undefined
}

/** The address, port and scheme a block listens on; `address` undefined stands for every local address. */
export interface ListenKey {
  readonly scheme: 'dns' | 'tls' | 'https'
  readonly address: string | undefined
  readonly port: number
}

export interface BuildOptions {
  readonly corefile: Corefile
  readonly defaultPort: number
  readonly surroundings: Omit<Surroundings, 'instance'>
  readonly instance: InstanceView & { blocks: BlockSettings[] }
  readonly previous: readonly BuiltBlock[]
}

/** Sets up every block of a Corefile. Starts nothing yet. Throws CorefileError. */
export function buildBlocks(options: BuildOptions): BuiltBlock[] {
  const parsed = options.corefile.blocks.map((block) => ({
    block,
    settings: settingsOf(block, options.defaultPort),
  }))
  options.instance.blocks.push(...parsed.map(({ settings }) => settings))
  for (const { block } of parsed) checkDirectives(block)
  const built = parsed.map(({ block, settings }) => {
    const plugins: Plugin[] = []
    for (const entry of pluginOrder) {
      if (!('setup' in entry)) continue
      const [first, ...rest] = block.directives.filter((directive) => directive.name === entry.name)
      if (first === undefined) continue
      const made = setUp(entry, { first, rest, settings, plugins, options })
      plugins.push(...made)
    }
    settings.plugins.push(...plugins)
    const secure = settings.keys.find(({ scheme }) => scheme !== 'dns')
    if (secure !== undefined && settings.tls === undefined)
      throw new CorefileError(
        'DNS_COREFILE_KEY',
        settings.at,
        `serving ${secure.scheme}:// needs the tls plugin: tls CERT KEY`,
      )
    return { settings, plugins, chain: block.directives.length === 0 ? undefined : chainOf(plugins) }
  })
  checkOverlap(built)
  return built
}

function setUp(
  entry: PluginDefinition,
  at: {
    first: Directive
    rest: Directive[]
    settings: BlockSettings
    plugins: Plugin[]
    options: BuildOptions
  },
): readonly Plugin[] {
  const { options, settings } = at
  const before = options.previous.find((block) => sameKeys(block.settings, settings))
  const c: Setup = {
    ...options.surroundings,
    instance: options.instance,
    directives: [at.first, ...at.rest],
    block: settings,
    previous: before?.plugins.find((plugin) => plugin.name === entry.name),
  }
  const made = entry.setup(c)
  return made === undefined ? [] : 'handle' in made ? [made] : made
}

function sameKeys(a: BlockSettings, b: BlockSettings): boolean {
  const text = (settings: BlockSettings): string => JSON.stringify([settings.keys, settings.bind])
  return JSON.stringify(a.keys) === JSON.stringify(b.keys) || text(a) === text(b)
}

function settingsOf(block: Block, defaultPort: number): BlockSettings {
  const keys = block.keys.map((key) => {
    const parsed = parseZoneKey(key.text, key, defaultPort)
    if (!isServed(parsed.scheme)) {
      throw new CorefileError(
        'DNS_COREFILE_KEY',
        key,
        `server block key '${key.text}': serving ${parsed.scheme}:// is not supported; dns://, tls:// and https:// are`,
      )
    }
    return parsed
  })
  return {
    keys,
    zones: [...new Set(keys.flatMap((key) => key.zones))],
    at: { file: block.file, line: block.line },
    bind: [],
    anyClass: false,
    viewName: '',
    debug: false,
    root: '',
    tcp: {},
    servers: [],
    plugins: [],
  }
}

/** What is in none of their zones is refused where no plugin stands behind them, as an authoritative server does. */
const authoritative: ReadonlySet<string> = new Set(['file', 'auto', 'secondary'])

/** Closures from the last plugin to the first; the loop is gone once queries come. */
function chainOf(plugins: readonly Plugin[]): Next {
  const last = plugins.findLast(({ name }) => name !== 'sign' && name !== 'view')?.name ?? ''
  const end = authoritative.has(last) ? refusal : endOfChain
  const wrapper = plugins.findIndex((plugin) => plugin.around !== undefined)
  return plugins.reduceRight<Next>((next, plugin, i) => {
    const wrapped = wrapper >= 0 && i > wrapper ? plugins[wrapper]?.around?.(plugin) : undefined
    return wrapped === undefined ? (query) => plugin.handle(query, next) : (query) => wrapped(query, next)
  }, end)
}

/** The addresses and ports a block listens on. */
export function listenKeys(settings: BlockSettings): { key: ListenKey; zones: readonly string[] }[] {
  const addresses = settings.bind.length === 0 ? [undefined] : settings.bind
  return settings.keys.flatMap(({ scheme, port, zones }) =>
    isServed(scheme) ? addresses.map((address) => ({ key: { scheme, address, port }, zones })) : [],
  )
}

function isServed(scheme: Scheme): scheme is ListenKey['scheme'] {
  return scheme === 'dns' || scheme === 'tls' || scheme === 'https'
}

/** 'dns://:53', 'dns://127.0.0.1:53', 'dns://[::1]:53'. */
export function serverLabel(key: ListenKey): string {
  const host = key.address === undefined ? '' : key.address.includes(':') ? `[${key.address}]` : key.address
  return `${key.scheme}://${host}:${key.port}`
}

function checkOverlap(blocks: readonly BuiltBlock[]): void {
  const taken = new Map<string, string>()
  const scopes = new Map<string, { bound: boolean; label: string }>()
  for (const { settings } of blocks) {
    for (const { key, zones } of listenKeys(settings)) {
      for (const zone of zones) {
        const label = `${serverLabel(key)} ${zone}`
        const where = `${settings.at.file}:${settings.at.line}`
        const other = taken.get(label)
        if (other !== undefined && settings.accepts === undefined) {
          throw new CorefileError(
            'DNS_COREFILE_KEY',
            settings.at,
            `cannot serve ${label}: it is already defined at ${other}`,
          )
        }
        // A block with a view leaves the rest to the next one.
        if (settings.accepts === undefined) taken.set(label, where)
        const scope = `${key.scheme} ${zone}:${key.port}`
        const bound = key.address !== undefined
        const before = scopes.get(scope)
        if (before !== undefined && before.bound !== bound) {
          throw new CorefileError(
            'DNS_COREFILE_KEY',
            settings.at,
            `cannot serve ${label}: zone overlap with ${before.label}, one has 'bind' and the other listens on every address`,
          )
        }
        scopes.set(scope, { bound, label })
      }
    }
  }
}
