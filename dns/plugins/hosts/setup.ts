import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  duration,
  expectArgs,
  fallthroughZones,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { addressFamily, canonicalAddress } from '../../wire/index.ts'
import { HostsPlugin } from './hosts.ts'

const name = 'hosts'

export const hosts: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [file, ...zones] = directive.args
    const path = file?.text ?? '/etc/hosts'
    const state = {
      ttl: 3600,
      reverse: true,
      reloadMs: 5000,
      fallthrough: undefined as readonly string[] | undefined,
      inline: [] as { address: string; names: string[] }[],
    }
    let unsupported = false
    const properties: Readonly<Record<string, (line: Directive) => void>> = {
      ttl: (line) => void (state.ttl = integer(oneArg(line, name), name, { min: 1, max: 65_535 })),
      no_reverse: () => {
        state.reverse = false
      },
      reload: (line) => void (state.reloadMs = duration(oneArg(line, name), name)),
      fallthrough_unsupported: (line) => {
        expectArgs(line, name, { min: 0 })
        unsupported = true
      },
      fallthrough: (line) => void (state.fallthrough = fallthroughZones(line, c, name)),
    }
    for (const line of directive.block ?? []) {
      if (addressFamily(line.name) !== undefined) {
        const names = line.args.map((argument) => argument.text)
        state.inline.push({ address: canonicalAddress(line.name), names })
        continue
      }
      const reader = Object.hasOwn(properties, line.name) ? properties[line.name] : undefined
      if (reader === undefined) {
        // As a hosts file may have lines that say nothing, which nobody stumbles over.
        const known = Object.keys(properties).join(', ')
        c.log.warn(
          { object: `${line.file}:${line.line}` },
          `plugin/hosts: '${line.name}' is neither an address nor one of ${known}: the line is ignored`,
        )
        continue
      }
      reader(line)
    }
    if (unsupported && state.fallthrough === undefined)
      throw directiveError(directive, name, 'fallthrough_unsupported needs fallthrough')
    const options = {
      unsupported,
      file: isAbsolute(path) ? path : join(c.block.root, path),
      zones: zonesOrBlock(zones, c, name),
      ...state,
    }
    return new HostsPlugin(options, c.log, c.metrics)
  },
}
