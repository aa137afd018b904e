import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  expectArgs,
  oneArg,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import { isKeySigningKey, readKey } from '../../zone/dnssec/keys.ts'
import { SignPlugin } from './sign.ts'

const name = 'sign'

export const sign: PluginDefinition = {
  name,
  setup: (c) =>
    c.directives.map((directive) => {
      const pathOf = (argument: Argument): string =>
        isAbsolute(argument.text) ? argument.text : join(c.block.root, argument.text)
      const [file, ...zones] = expectArgs(directive, name, { min: 1, max: 1000 })
      if (file === undefined) throw directiveError(directive, name, 'the zone file is missing')
      const keys: string[] = []
      const directories: string[] = []
      let directory = '/var/lib/coredns'
      readProperties(directive, name, {
        key: (line) => {
          const [from, ...paths] = expectArgs(line, name, { min: 2, max: 1000 })
          if (from?.text !== 'file' && from?.text !== 'directory')
            throw directiveError(from ?? line, name, `'${from?.text}' must be file or directory`)
          if (from.text === 'directory') directories.push(...paths.map(pathOf))
          for (const path of from.text === 'file' ? paths : []) {
            try {
              if (!isKeySigningKey(readKey(pathOf(path))))
                throw directiveError(path, name, `'${path.text}' must be a key signing key (flags 257)`)
            } catch (cause) {
              if (cause instanceof Error && cause.name === 'CorefileError') throw cause
              throw directiveError(path, name, cause instanceof Error ? cause.message : String(cause))
            }
            keys.push(pathOf(path))
          }
        },
        directory: (line) => {
          directory = pathOf(oneArg(line, name))
        },
      })
      if (keys.length + directories.length === 0)
        throw directiveError(directive, name, 'needs the line: key file KEY... or key directory DIR...')
      const options = {
        file: pathOf(file),
        zones: zonesOrBlock(zones, c, name),
        directory,
        keys,
        directories,
      }
      return new SignPlugin(options, c.log)
    }),
}
