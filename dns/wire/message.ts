/** A decoded DNS message. Names are qualified presentation strings (see name.ts), TTLs seconds. */

export interface Question {
  readonly name: string
  readonly type: number
  readonly class: number
}

interface RecordHead {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttl: number
}

/** A, AAAA. */
export interface AddressRecord extends RecordHead {
  readonly kind: 'address'
  readonly address: string
}
/** NS, CNAME, PTR, DNAME, MB, MG, MR, MD, MF. */
export interface TargetRecord extends RecordHead {
  readonly kind: 'target'
  readonly target: string
}
/** MX, AFSDB, RT, KX. */
export interface PreferenceRecord extends RecordHead {
  readonly kind: 'preference'
  readonly preference: number
  readonly target: string
}
/** RFC 2782. */
export interface SrvRecord extends RecordHead {
  readonly kind: 'srv'
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}
export interface SoaRecord extends RecordHead {
  readonly kind: 'soa'
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}
/** TXT, SPF, HINFO: character strings of up to 255 octets, one character per octet (Latin-1). */
export interface TextRecord extends RecordHead {
  readonly kind: 'text'
  readonly texts: readonly string[]
}
/** RFC 3403. */
export interface NaptrRecord extends RecordHead {
  readonly kind: 'naptr'
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly regexp: string
  readonly replacement: string
}
/** RP, MINFO. */
export interface NamesRecord extends RecordHead {
  readonly kind: 'names'
  readonly names: readonly [string, string]
}
/** Every other type: its octets (RFC 3597). */
export interface RawRecord extends RecordHead {
  readonly kind: 'raw'
  readonly rdata: Uint8Array
}

export type ResourceRecord =
  | AddressRecord
  | TargetRecord
  | PreferenceRecord
  | SrvRecord
  | SoaRecord
  | TextRecord
  | NaptrRecord
  | NamesRecord
  | RawRecord

export interface EdnsOptionValue {
  readonly code: number
  readonly data: Uint8Array
}

/** The OPT pseudo record (RFC 6891); the upper bits of the response code are in `Message.rcode`. */
export interface Edns {
  readonly udpSize: number
  readonly version: number
  readonly dnssecOk: boolean
  readonly options: readonly EdnsOptionValue[]
}

export interface Message {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  /** 12 bits when there is EDNS, else 4 */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answer: readonly ResourceRecord[]
  readonly authority: readonly ResourceRecord[]
  /** without OPT */
  readonly additional: readonly ResourceRecord[]
  readonly edns?: Edns | undefined
}

/** Header bits of the second 16-bit word. */
export const Flag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  Z: 0x0040,
  AD: 0x0020,
  CD: 0x0010,
} as const

/** The record with another TTL. */
export function withTtl(record: ResourceRecord, ttl: number): ResourceRecord {
  return record.ttl === ttl ? record : { ...record, ttl }
}

/** The record under another name. */
export function withName(record: ResourceRecord, name: string): ResourceRecord {
  return record.name === name ? record : { ...record, name }
}
