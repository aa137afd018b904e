import { Class, type ResourceRecord, type SoaRecord, Type } from '../../wire/index.ts'
import type { ServiceEntry, Target } from './entry.ts'

/** What a question about an existing name gives: NODATA when both lists are empty. */
export interface Found {
  readonly answer: readonly ResourceRecord[]
  readonly additional: readonly ResourceRecord[]
}

/** A name that exists without records of the type. */
export const noData: Found = { answer: [], additional: [] }

export interface ServiceQuestion {
  /** as it was asked: the owner of the records */
  readonly name: string
  readonly type: number
  readonly zone: string
  readonly ttl: number
  readonly endpoint: string
  readonly port: string
  readonly protocol: string
}

/** Name of a service, or of a host below it. */
export function serviceName(entry: ServiceEntry, host: string, zone: string): string {
  const prefix = host === '' ? '' : `${host}.`
  return `${prefix}${entry.name}.${entry.namespace}.svc.${zone === '.' ? '' : zone}`
}

/**
 * The records of a service for a question, or undefined when the name does not exist. ExternalName is not treated here.
 */
export function serviceRecords(entry: ServiceEntry, question: ServiceQuestion): Found | undefined {
  const pool = question.endpoint === '' ? entry.targets : entry.endpoints
  const targets = pool.filter(
    (target) =>
      (question.endpoint === '' || target.host === question.endpoint) &&
      (question.port === '' || target.portName === question.port) &&
      (question.protocol === '' || target.protocol === question.protocol),
  )
  if (targets.length === 0) return undefined
  if (question.type === Type.SRV) return srvRecords(entry, targets, question)
  if (question.type !== Type.A && question.type !== Type.AAAA) return noData
  const family = question.type === Type.A ? 4 : 6
  const addresses = new Set(
    targets.filter((target) => target.family === family).map((target) => target.address),
  )
  return {
    answer: [...addresses].map((address) => addressRecord(question.name, address, question.ttl)),
    additional: [],
  }
}

/**
 * One SRV per distinct target name and port. The weight is 100 through the number of address and port pairs before
 * duplicates go, at least 1, as CoreDNS has it.
 */
function srvRecords(entry: ServiceEntry, targets: readonly Target[], question: ServiceQuestion): Found {
  const weight = Math.max(1, Math.floor(100 / targets.length))
  const answer: ResourceRecord[] = []
  const additional: ResourceRecord[] = []
  const seen = new Set<string>()
  for (const { address, port, host } of targets) {
    if (port < 0) continue
    const target = serviceName(entry, host, question.zone)
    if (!seen.has(`${target} ${port}`)) {
      seen.add(`${target} ${port}`)
      answer.push({
        kind: 'srv',
        name: question.name,
        type: Type.SRV,
        class: Class.IN,
        ttl: question.ttl,
        priority: 0,
        weight,
        port,
        target,
      })
    }
    if (!seen.has(`${target} ${address}`)) {
      seen.add(`${target} ${address}`)
      additional.push(addressRecord(target, address, question.ttl))
    }
  }
  return { answer, additional }
}

/** An A or AAAA record, as the address is. */
export function addressRecord(name: string, address: string, ttl: number): ResourceRecord {
  return {
    kind: 'address',
    name,
    type: address.includes(':') ? Type.AAAA : Type.A,
    class: Class.IN,
    ttl,
    address,
  }
}

export function targetRecord(name: string, type: number, target: string, ttl: number): ResourceRecord {
  return { kind: 'target', name, type, class: Class.IN, ttl, target }
}

/** The SOA of a zone: minimum = ttl, own TTL at most five minutes. */
export function soaRecord(zone: string, serial: number, ttl: number): SoaRecord {
  const below = zone === '.' ? '' : zone
  return {
    kind: 'soa',
    name: zone,
    type: Type.SOA,
    class: Class.IN,
    ttl: Math.min(ttl, 300),
    mname: `ns.dns.${below}`,
    rname: `hostmaster.${below}`,
    serial,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttl,
  }
}
