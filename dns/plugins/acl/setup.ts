import { directiveError, type PluginDefinition, zonesOrBlock } from '../../core/setup.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { parseAddress, Type, typeNumber } from '../../wire/index.ts'
import { type AclAction, AclPlugin, type AclPolicy, type Network } from './acl.ts'

const name = 'acl'
const actions: readonly string[] = ['allow', 'block', 'filter', 'drop']

export const acl: PluginDefinition = {
  name,
  setup: (c) =>
    new AclPlugin(
      c.directives.map((directive) => ({
        zones: zonesOrBlock(directive.args, c, name),
        policies: (directive.block ?? []).map(readPolicy),
      })),
      c.metrics,
    ),
}

/** `ACTION [type TYPE...] [net NETWORK...]` */
function readPolicy(line: Directive): AclPolicy {
  if (!actions.includes(line.name))
    throw directiveError(line, name, `action '${line.name}' must be one of ${actions.join(', ')}`)
  const types = new Set<number>()
  const networks: Network[] = []
  let section = ''
  for (const argument of line.args) {
    if (argument.text === 'type' || argument.text === 'net') section = argument.text
    else if (section === 'type') types.add(readType(argument))
    else if (section === 'net') networks.push(...readNetwork(argument))
    else throw directiveError(argument, name, `'${argument.text}': 'type' or 'net' is expected`)
  }
  line.args.forEach(({ text }, i) => {
    const following = line.args[i + 1]?.text
    if (
      (text === 'type' || text === 'net') &&
      (following === undefined || following === 'type' || following === 'net')
    )
      throw directiveError(line, name, `nothing stands behind '${text}'`)
  })
  return { action: line.name as AclAction, types, networks }
}

function readType(argument: Argument): number {
  const type = argument.text === '*' ? Type.ANY : typeNumber(argument.text)
  if (type === undefined) throw directiveError(argument, name, `'${argument.text}' is no record type`)
  return type
}

function readNetwork(argument: Argument): Network[] {
  if (argument.text === '*') {
    return [4, 16].map((length) => ({ octets: new Uint8Array(length), bits: 0 }))
  }
  const [address = '', mask] = argument.text.split('/')
  const octets = parseAddress(address)
  const bits = mask === undefined ? (octets?.length ?? 0) * 8 : /^\d{1,3}$/.test(mask) ? Number(mask) : -1
  if (octets === undefined || bits < 0 || bits > octets.length * 8) {
    throw directiveError(argument, name, `'${argument.text}' is no address or network`)
  }
  return [{ octets, bits }]
}
