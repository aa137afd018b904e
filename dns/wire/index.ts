/** The DNS message codec. */
export {
  addressFamily,
  addressOfReverse,
  canonicalAddress,
  formatAddress,
  isReverseName,
  parseAddress,
  parseIPv4,
  parseIPv6,
  reverseName,
} from './address.ts'
export { decodeMessage, readEdns, readU16, readU32 } from './decode.ts'
export { type EncodeOptions, ednsSize, encodeInto, encodeMessage, writeEdns, writeRecord } from './encode.ts'
export { WireError } from './errors.ts'
export * from './message.ts'
export {
  asciiLower,
  canonicalName,
  isName,
  isQualified,
  isSubdomain,
  longestZone,
  nameLength,
  readLowerName,
  readName,
  skipName,
  splitName,
} from './name.ts'
export * from './registry.ts'
export { nameOctets, Writer } from './writer.ts'
