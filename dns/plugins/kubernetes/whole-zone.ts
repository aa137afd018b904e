import { Class, type ResourceRecord, type SoaRecord, Type } from '../../wire/index.ts'
import { recordKey } from '../../zone/canonical.ts'
import type { WholeZone } from '../../zone/source.ts'
import type { ClusterView } from './cluster.ts'
import type { ServiceEntry } from './entry.ts'
import type { NameServer } from './nameserver.ts'
import { addressRecord, serviceName, serviceRecords, targetRecord } from './records.ts'

/**
 * Every record of a cluster zone, for transfers: dns-version, name servers, Services (or ServiceImports) with their addresses and SRV, endpoints of headless Services. Names of pods are not part of it: CoreDNS leaves them out as well.
 */
export function wholeZone(
  cluster: ClusterView,
  zone: { origin: string; soa: SoaRecord; ttl: number; servers: readonly NameServer[] },
): WholeZone {
  const { origin, soa, ttl, servers } = zone
  const below = origin === '.' ? '' : origin
  const records: ResourceRecord[] = [
    soa,
    ...servers.map(({ name }) => targetRecord(origin, Type.NS, name, ttl)),
    ...servers.flatMap(({ name, addresses }) =>
      addresses.map((address) => addressRecord(name, address, ttl)),
    ),
    {
      kind: 'text',
      name: `dns-version.${below}`,
      type: Type.TXT,
      class: Class.IN,
      ttl: 28_800,
      texts: ['1.1.0'],
    },
    ...cluster.allIn(origin).flatMap((entry) => serviceRecordsOf(entry, { origin, ttl })),
  ]
  const distinct = new Map(records.map((record) => [recordKey(record), record]))
  return { origin, soa, records: [...distinct.values()] }
}

function serviceRecordsOf(entry: ServiceEntry, zone: { origin: string; ttl: number }): ResourceRecord[] {
  const { origin, ttl } = zone
  const name = serviceName(entry, '', origin)
  if (entry.externalName !== '') return [targetRecord(name, Type.CNAME, entry.externalName, ttl)]
  const found: ResourceRecord[] = entry.targets.flatMap(({ address, host }) => [
    addressRecord(name, address, ttl),
    ...(host === '' ? [] : [addressRecord(serviceName(entry, host, origin), address, ttl)]),
  ])
  const ports = new Set(
    entry.targets
      .filter((target) => target.portName !== '' && target.port > 0)
      .map((target) => `${target.portName} ${target.protocol}`),
  )
  const srv = (owner: string, port: string, protocol: string): readonly ResourceRecord[] => {
    const question = { name: owner, type: Type.SRV, zone: origin, ttl, endpoint: '', port, protocol }
    return serviceRecords(entry, question)?.answer ?? []
  }
  for (const pair of ports) {
    const [port = '', protocol = ''] = pair.split(' ')
    found.push(...srv(`_${port}._${protocol}.${name}`, port, protocol))
  }
  // The name of a service with an address has SRV for all its ports: CoreDNS's extension.
  return entry.targets.some(({ host }) => host !== '') ? found : [...found, ...srv(name, '', '')]
}
