import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  expectArgs,
  oneArg,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { canonicalName, isName, Opcode, typeNumber } from '../../wire/index.ts'
import { TsigPlugin } from './tsig.ts'

const name = 'tsig'

export const tsig: PluginDefinition = {
  name,
  setup: (c) => {
    const secrets = new Map<string, Buffer>()
    const state = {
      zones: [] as string[],
      require: new Set<number>() as Set<number> | 'all',
      requireOpcode: new Set<number>() as Set<number> | 'all',
    }
    const add = (at: Argument, key: string, secret: string): void => {
      const octets = Buffer.from(secret, 'base64')
      if (!isName(key)) throw directiveError(at, name, `'${key}' is no name of a key`)
      if (octets.length === 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(secret))
        throw directiveError(at, name, `the secret of '${key}' is not in base64`)
      if (secrets.has(canonicalName(key))) throw directiveError(at, name, `key '${key}' is defined twice`)
      secrets.set(canonicalName(key), octets)
    }
    for (const directive of c.directives) {
      state.zones.push(...zonesOrBlock(directive.args, c, name))
      readProperties(directive, name, {
        secret: (line) => {
          const [key, secret] = expectArgs(line, name, { min: 2 })
          if (key !== undefined && secret !== undefined) add(key, key.text, secret.text)
        },
        secrets: (line) => {
          const file = oneArg(line, name)
          const path = isAbsolute(file.text) ? file.text : join(c.block.root, file.text)
          for (const { key, secret } of readKeys(file, path)) add(file, key, secret)
        },
        require: (line) => {
          state.require = readSet(line, typeNumber)
        },
        require_opcode: (line) => {
          const opcodes: Readonly<Record<string, number>> = Opcode
          state.requireOpcode = readSet(line, (text) => opcodes[text.toUpperCase()])
        },
      })
    }
    return new TsigPlugin({ ...state, secrets })
  },
}

/** `all`, `none`, or names. */
function readSet(line: Directive, numberOf: (text: string) => number | undefined): Set<number> | 'all' {
  const args = expectArgs(line, name, { min: 1, max: 1000 })
  const [first] = args
  if (args.length === 1 && first?.text === 'all') return 'all'
  if (args.length === 1 && first?.text === 'none') return new Set()
  return new Set(
    args.map((argument) => {
      const value = numberOf(argument.text)
      if (value === undefined)
        throw directiveError(argument, name, `'${argument.text}' is not known to '${line.name}'`)
      return value
    }),
  )
}

/** Keys in the form of named.conf: `key "example." { algorithm hmac-sha256; secret "..."; };` */
function readKeys(at: Argument, file: string): { key: string; secret: string }[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw directiveError(at, name, `'${file}' cannot be read: ${String(cause)}`)
  }
  const plain = text.replace(/\/\*[\s\S]*?\*\/|(?:#|\/\/).*$/gm, '')
  const keys = [...plain.matchAll(/\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/g)].map(
    ([, key = '', body = '']) => ({
      key,
      secret: /\bsecret\s+"?([^\s";]+)"?\s*;/.exec(body)?.[1] ?? '',
    }),
  )
  if (keys.length === 0) throw directiveError(at, name, `there is no key in '${file}'`)
  return keys
}
