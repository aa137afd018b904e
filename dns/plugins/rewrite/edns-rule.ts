import type { Query } from '../../core/query.ts'
import { directiveError } from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import { type Edns, EdnsOption, type EdnsOptionValue, parseAddress, typeName } from '../../wire/index.ts'
import type { Apply } from './rule.ts'

type Action = 'set' | 'append' | 'replace' | 'unset'

const actions: readonly string[] = ['set', 'append', 'replace', 'unset'] satisfies Action[]

const withoutEdns: Edns = { udpSize: 4096, version: 0, dnssecOk: false, options: [] }

/** `edns0 nsid|local|subnet set|append|replace|unset ...` for queries that go on to other servers. */
export function ednsRule(args: readonly Argument[], at: Argument): Apply {
  const [what, action, ...rest] = args.filter((argument) => argument.text !== 'revert')
  if (what === undefined || action === undefined || !isAction(action.text))
    throw directiveError(
      action ?? at,
      'rewrite',
      'edns0 needs nsid, local or subnet, then set, append, replace or unset',
    )
  const { code, data } = optionOf(what, rest, action.text)
  const wanted = action.text
  return (query) => {
    const edns = query.edns ?? withoutEdns
    const present = edns.options.some((option) => option.code === code)
    if (wanted === 'unset' ? !present : wanted === 'replace' ? !present : wanted === 'append' && present)
      return undefined
    const value = wanted === 'unset' ? undefined : data(query)
    if (wanted !== 'unset' && value === undefined) return undefined
    const others = edns.options.filter((option) => option.code !== code)
    const options: EdnsOptionValue[] = value === undefined ? others : [...others, { code, data: value }]
    return { query: query.derive({ edns: { ...edns, options } }) }
  }
}

function isAction(text: string): text is Action {
  return actions.includes(text)
}

const variables = ['qname', 'qtype', 'client_ip', 'client_port', 'protocol', 'server_ip', 'server_port']

type OptionData = (query: Query) => Uint8Array | undefined

function optionOf(
  what: Argument,
  rest: readonly Argument[],
  action: Action,
): { code: number; data: OptionData } {
  const [first, second] = rest
  const number = (argument: Argument | undefined, max: number): number => {
    const value = Number(argument?.text ?? Number.NaN)
    if (!Number.isInteger(value) || value < 0 || value > max)
      throw directiveError(argument ?? what, 'rewrite', `'${argument?.text ?? ''}' is no number up to ${max}`)
    return value
  }
  switch (what.text) {
    case 'nsid':
      if (first !== undefined)
        throw directiveError(first, 'rewrite', `'${first.text}' is one argument too many for nsid`)
      return { code: EdnsOption.NSID, data: () => new Uint8Array() }
    case 'local': {
      const code = number(first, 65_535)
      if (second === undefined && action !== 'unset')
        throw directiveError(what, 'rewrite', 'local needs CODE and DATA')
      return { code, data: localData(second) }
    }
    case 'subnet': {
      if (action === 'unset') return { code: EdnsOption.SUBNET, data: () => undefined }
      const bits = { 4: number(first, 32), 6: number(second, 128) }
      return { code: EdnsOption.SUBNET, data: (query) => clientSubnet(query, bits) }
    }
    default:
      throw directiveError(what, 'rewrite', `'${what.text}' must be nsid, local or subnet`)
  }
}

/** '0xffee', a string, or '{client_ip}' and other variables. */
function localData(argument: Argument | undefined): OptionData {
  if (argument === undefined) return () => undefined
  const { text } = argument
  if (text.startsWith('0x')) {
    if (!/^0x(?:[0-9a-f]{2})*$/i.test(text))
      throw directiveError(argument, 'rewrite', `'${text}' is not a number of octets in hexadecimal digits`)
    const octets = Buffer.from(text.slice(2), 'hex')
    return () => octets
  }
  const variable = /^\{(.+)\}$/.exec(text)?.[1]
  if (variable === undefined) {
    const octets = Buffer.from(text)
    return () => octets
  }
  // Labels of metadata have a slash.
  if (!variable.includes('/') && !variables.includes(variable))
    throw directiveError(argument, 'rewrite', `'${text}' is none of ${variables.join(', ')}`)
  return (query) => {
    const { peer } = query
    const port = (value: number): Uint8Array => Uint8Array.from([value >> 8, value & 255])
    switch (variable) {
      case 'qname':
        return Buffer.from(query.name)
      case 'qtype':
        return Buffer.from(typeName(query.type))
      case 'client_ip':
        return parseAddress(peer.clientAddress.replace(/%.*$/, ''))
      case 'server_ip':
        return parseAddress(peer.localAddress.replace(/%.*$/, ''))
      case 'client_port':
        return port(peer.clientPort)
      case 'server_port':
        return port(peer.localPort)
      case 'protocol':
        return Buffer.from(peer.transport)
      default: {
        const label = query.labels?.(variable.replace(/^\//, ''))
        return label === undefined ? undefined : Buffer.from(label)
      }
    }
  }
}

/** RFC 7871 §6: family, source prefix length, scope 0, the address cut to the prefix. */
function clientSubnet(query: Query, bits: { 4: number; 6: number }): Uint8Array | undefined {
  const address = parseAddress(query.peer.clientAddress.replace(/%.*$/, ''))
  if (address === undefined) return undefined
  const length = bits[address.length === 4 ? 4 : 6]
  const octets = address.slice(0, Math.ceil(length / 8))
  const spare = octets.length * 8 - length
  if (octets.length > 0) octets[octets.length - 1] = ((octets.at(-1) ?? 0) >> spare) << spare
  return Uint8Array.from([0, address.length === 4 ? 1 : 2, length, 0, ...octets])
}
