import { addressesOfInterface } from '../../component/local-addresses.ts'
import { directiveError, expectArgs, type PluginDefinition, readProperties } from '../../core/setup.ts'
import { addressFamily, canonicalAddress } from '../../wire/index.ts'

const name = 'bind'

export const bind: PluginDefinition = {
  name,
  setup: (c) => {
    for (const directive of c.directives) {
      const except = new Set<string>()
      readProperties(directive, name, {
        except: (line) => {
          for (const argument of expectArgs(line, name, { min: 1, max: 64 })) {
            for (const address of resolve(argument)) except.add(address)
          }
        },
      })
      for (const argument of expectArgs(directive, name, { min: 1, max: 64 })) {
        for (const address of resolve(argument)) {
          if (!except.has(address) && !c.block.bind.includes(address)) c.block.bind.push(address)
        }
      }
    }
    if (c.block.bind.length === 0) throw directiveError(c.directives[0], name, 'no address is left to bind')
    return undefined
  },
}

function resolve(argument: { text: string; file: string; line: number }): string[] {
  const text = argument.text.replace(/^\[(.*)\]$/, '$1')
  if (addressFamily(text.replace(/%.*$/, '')) !== undefined) return [canonicalAddress(text)]
  const addresses = addressesOfInterface(text)
  if (addresses === undefined)
    throw directiveError(argument, name, `'${text}' is neither an address nor an interface of this host`)
  return addresses
}
