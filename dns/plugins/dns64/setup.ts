import {
  directiveError,
  expectArgs,
  noBlock,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import { parseAddress } from '../../wire/index.ts'
import { Dns64Plugin } from './dns64.ts'

const name = 'dns64'
const lengths = [32, 40, 48, 56, 64, 96]

export const dns64: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [argument] = expectArgs(directive, name, { min: 0, max: 1 })
    let prefix = argument === undefined ? wellKnown : readPrefix(argument)
    let translateAll = false
    let allowIPv4 = false
    readProperties(directive, name, {
      prefix: (line) => {
        prefix = readPrefix(oneArg(line, name))
      },
      translate_all: (line) => {
        noBlock(line, name)
        translateAll = true
      },
      allow_ipv4: (line) => {
        noBlock(line, name)
        allowIPv4 = true
      },
    })
    const translated = c.metrics.counter(
      'coredns_dns64_requests_translated_total',
      'Queries answered with addresses made of IPv4 ones.',
      ['server'],
    )
    return new Dns64Plugin({ ...prefix, translateAll, allowIPv4 }, translated)
  },
}

/** 64:ff9b::/96 (RFC 6052 §2.1) */
const wellKnown = { prefix: Uint8Array.from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]), bits: 96 }

function readPrefix(argument: Argument): { prefix: Uint8Array; bits: number } {
  const [address = '', length = ''] = argument.text.split('/')
  const octets = parseAddress(address)
  const bits = Number(length)
  if (octets?.length !== 16 || !lengths.includes(bits))
    throw directiveError(argument, name, `'${argument.text}' is no IPv6 prefix of ${lengths.join(', ')} bits`)
  return { prefix: octets.subarray(0, bits / 8), bits }
}
