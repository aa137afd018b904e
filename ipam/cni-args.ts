import { IpamError } from './errors.ts'

/**
 * Parses CNI_ARGS ("K=V;K=V"). Keys outside `known` are an error unless IgnoreUnknown is true, as in the reference
 * library; every pair is returned.
 */
export function parseCniArgs(text: string, known: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  if (text === '') return pairs
  const unknown: string[] = []
  for (const pair of text.split(';')) {
    const [key = '', value, more] = pair.split('=')
    if (value === undefined || more !== undefined) throw invalid(`ARGS: invalid pair ${JSON.stringify(pair)}`)
    pairs.set(key, value)
    if (key !== 'IgnoreUnknown' && !known.includes(key)) unknown.push(pair)
  }
  if (unknown.length > 0 && !readFlag(pairs.get('IgnoreUnknown'))) {
    throw invalid(`ARGS: unknown args [${unknown.map((pair) => JSON.stringify(pair)).join(' ')}]`)
  }
  return pairs
}

function readFlag(value: string | undefined): boolean {
  if (value === undefined || value === '0' || value.toLowerCase() === 'false') return false
  if (value === '1' || value.toLowerCase() === 'true') return true
  throw invalid(
    `ARGS: error parsing value of pair ${JSON.stringify(`IgnoreUnknown=${value}`)}: boolean unmarshal error: invalid input ${value}`,
  )
}

function invalid(message: string): IpamError {
  return new IpamError('IPAM_INVALID_ARGS', message)
}
