/** Numbers of the IANA DNS parameter registries that the server uses by name. */

export const Type = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const

export const Class = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const

export const Opcode = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5 } as const

export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const

/** EDNS option codes. */
export const EdnsOption = {
  NSID: 3,
  SUBNET: 8,
  EXPIRE: 9,
  COOKIE: 10,
  KEEPALIVE: 11,
  PADDING: 12,
  EDE: 15,
} as const

/** Extended DNS error codes (RFC 8914) the server gives. */
export const ExtendedError = {
  STALE_ANSWER: 3,
  BLOCKED: 15,
  FILTERED: 17,
  NOT_READY: 14,
  NETWORK_ERROR: 23,
} as const

function names(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]))
}

const typeNames = names(Type)
const classNames = names(Class)
const rcodeNames = names(Rcode)

/** 'A', 'AAAA' ..., or 'TYPE65280' (RFC 3597) for types without a name here. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`
}

/** 'IN', 'CH' ..., or 'CLASS32'. */
export function className(value: number): string {
  return classNames.get(value) ?? `CLASS${value}`
}

/** 'NOERROR', 'NXDOMAIN' ..., or 'RCODE11'. */
export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`
}

/** The number of a type by name (any case, TYPE123 too), or undefined. */
export function typeNumber(name: string): number | undefined {
  return numberOf(name, Type, 'TYPE')
}

/** The number of a class by name, or undefined. */
export function classNumber(name: string): number | undefined {
  return numberOf(name, Class, 'CLASS')
}

/** The number of a response code by name, or undefined. */
export function rcodeNumber(name: string): number | undefined {
  return numberOf(name, Rcode, 'RCODE')
}

function numberOf(name: string, table: Readonly<Record<string, number>>, prefix: string): number | undefined {
  const upper = name.toUpperCase()
  if (Object.hasOwn(table, upper)) return table[upper]
  const digits = upper.startsWith(prefix) ? upper.slice(prefix.length) : ''
  return /^\d{1,5}$/.test(digits) && Number(digits) < 65536 ? Number(digits) : undefined
}
