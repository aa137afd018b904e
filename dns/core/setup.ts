import type { Logger } from 'pino'
import type { Store } from '#watch'
import { parseDuration, parseSeconds } from '../corefile/duration.ts'
import type { Argument, Directive } from '../corefile/tree.ts'
import { normalizeZone, type ZoneKey } from '../corefile/zone-key.ts'
import { CorefileError, type Position } from '../errors.ts'
import type { HttpWishes } from '../http/endpoints.ts'
import type { MetricFamilies } from '../metrics/metrics.ts'
import type { TcpLimits } from '../server/tcp.ts'
import type { TlsSettings } from '../server/tls.ts'
import type { Plugin } from './plugin.ts'
import type { Query } from './query.ts'

/** What plugins may set for the whole server block. */
export interface BlockSettings {
  readonly keys: readonly ZoneKey[]
  /** all zones of the keys, in order */
  readonly zones: readonly string[]
  readonly at: Position
  /** addresses of `bind`; empty: every local address */
  bind: string[]
  /** queries of other classes than IN are welcome */
  anyClass: boolean
  debug: boolean
  /** directory that relative file names start from (`root`) */
  root: string
  /** for keys with tls:// and https:// */
  tls?: TlsSettings | undefined
  tcp: { -readonly [K in keyof TcpLimits]?: TcpLimits[K] }
  accepts?: ((query: Query) => boolean) | undefined
  /** name of the block's view, '' without */
  viewName: string
  /** labels of the servers the block is part of, e.g. 'dns://:53'; complete when plugins start */
  readonly servers: string[]
  /** plugins of the block in the order of the chain; complete when plugins start */
  readonly plugins: Plugin[]
}

/** What the process gives to every plugin. */
export interface Surroundings {
  readonly log: Logger
  readonly metrics: MetricFamilies
  readonly store: Store | undefined
  readonly http: HttpWishes
  readonly instance: InstanceView
}

/** The whole configuration, as far as single plugins need it. */
export interface InstanceView {
  readonly blocks: readonly BlockSettings[]
  readonly corefile: string
  /** every file the configuration came from */
  readonly files: readonly string[]
  /** hash of what was parsed */
  readonly version: string
  /** milliseconds to go on serving after the order to stop (`health { lameduck }`) */
  lameduckMs: number
  /** the addresses this process answers DNS on */
  localAddresses(): readonly string[]
  /** the ports it answers on */
  localPorts(): readonly number[]
  /** reads the Corefile again; resolves when the new configuration serves, or the old one was kept */
  reload(): Promise<boolean>
  /** parses again without using it: the version that a reload would bring */
  peekVersion(): string
}

/** What a plugin's setup gets: all its directives of one server block. */
export interface Setup extends Surroundings {
  readonly directives: readonly [Directive, ...Directive[]]
  readonly block: BlockSettings
  /** the plugin of the same block in the configuration that a reload replaces */
  readonly previous: Plugin | undefined
}

/** A plugin as the order file knows it. Setup throws CorefileError for what is wrong in the directive. */
export interface PluginDefinition {
  readonly name: string
  /** Undefined for directives that only set something for the block. */
  readonly setup: (c: Setup) => Plugin | readonly Plugin[] | undefined
}

/** An error about a directive's arguments. */
export function directiveError(at: Position, plugin: string, message: string): CorefileError {
  return new CorefileError('DNS_COREFILE_DIRECTIVE', at, `plugin/${plugin}: ${message}`)
}

/** The one directive of a plugin that may occur once per block. */
export function onlyDirective(c: Setup): Directive {
  const [first, second] = c.directives
  if (second !== undefined) throw directiveError(second, first.name, 'can only be used once per server block')
  return first
}

/** Checks the number of arguments. */
export function expectArgs(
  directive: Directive,
  plugin: string,
  counts: { min: number; max?: number },
): readonly Argument[] {
  const { args } = directive
  const max = counts.max ?? counts.min
  if (args.length < counts.min)
    throw directiveError(
      directive,
      plugin,
      `'${directive.name}' needs ${counts.min === max ? counts.min : `at least ${counts.min}`} argument${counts.min === 1 ? '' : 's'}`,
    )
  const extra = args[max]
  if (extra !== undefined)
    throw directiveError(extra, plugin, `'${extra.text}' is one argument too many for '${directive.name}'`)
  return args
}

/** The only argument of a property. */
export function oneArg(directive: Directive, plugin: string): Argument {
  return expectArgs(directive, plugin, { min: 1 })[0] as Argument
}

/** A whole number within limits. */
export function integer(argument: Argument, plugin: string, limits: { min: number; max: number }): number {
  const value = /^-?\d{1,15}$/.test(argument.text) ? Number(argument.text) : Number.NaN
  if (!(value >= limits.min && value <= limits.max)) {
    throw directiveError(
      argument,
      plugin,
      `'${argument.text}' must be a number from ${limits.min} to ${limits.max}`,
    )
  }
  return value
}

/** A Go duration in milliseconds; not negative. */
export function duration(
  argument: Argument,
  plugin: string,
  options: { bareSeconds?: boolean } = {},
): number {
  const value = options.bareSeconds === true ? parseSeconds(argument.text) : parseDuration(argument.text)
  if (value === undefined || value < 0) {
    throw directiveError(argument, plugin, `'${argument.text}' is no duration such as 5s, 300ms or 1m30s`)
  }
  return value
}

/** Zone names or CIDRs; the zones of the block if none are given. */
export function zonesOrBlock(args: readonly Argument[], c: Setup, plugin: string): string[] {
  if (args.length === 0) return [...c.block.zones]
  return args.flatMap((argument) => {
    const zones = normalizeZone(argument.text)
    if (zones === undefined) throw directiveError(argument, plugin, `'${argument.text}' is no zone`)
    return zones
  })
}

/** `fallthrough [ZONES...]`: the zones in which to pass on what was not found (all without arguments). */
export function fallthroughZones(directive: Directive, c: Setup, plugin: string): string[] {
  return directive.args.length === 0 ? ['.'] : zonesOrBlock(directive.args, c, plugin)
}

/** Reads the lines of a directive's block by name; an unknown name is an error that lists the known ones. */
export function readProperties(
  directive: Directive,
  plugin: string,
  readers: Readonly<Record<string, (line: Directive) => void>>,
): void {
  for (const line of directive.block ?? []) {
    const reader = Object.hasOwn(readers, line.name) ? readers[line.name] : undefined
    if (reader === undefined) {
      throw directiveError(
        line,
        plugin,
        `unknown property '${line.name}'; known are ${Object.keys(readers).join(', ')}`,
      )
    }
    reader(line)
  }
}

/** Refuses a block after a directive that has none. */
export function noBlock(directive: Directive, plugin: string): void {
  const line = directive.block?.[0]
  if (line !== undefined)
    throw directiveError(line, plugin, `'${directive.name}' has no properties, found '${line.name}'`)
}
