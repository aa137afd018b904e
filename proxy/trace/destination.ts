import type { Protocol, Service, ServicePort, Store } from '#watch'
import { type Family, familyOf, packAddress } from '../model/bytes.ts'
import { clusterIPsOf } from '../model/frontends.ts'
import { type ProxyIdentity, whyIgnored } from '../model/handled.ts'
import { TraceError } from './errors.ts'

/** Where a connection goes, as its first packet says. */
export interface Destination {
  readonly address: string
  readonly port: number
  readonly family: Family
  /** how the address was found, if a name was given */
  readonly resolution: string
}

/** What the proxy has no part in, and why; instead of a destination. */
export interface NotProxied {
  readonly service: string
  readonly reason: string
}

/**
 * Reads `ADDRESS:PORT`, `[IPv6]:PORT`, `SERVICE:PORT`, `NAMESPACE/SERVICE:PORT` or a DNS name of a Service
 * (`catalog`, `catalog.shop`, `catalog.shop.svc.cluster.local`); the port may be a name. Throws TraceError.
 */
export function findDestination(
  text: string,
  options: {
    store: Store
    protocol: Protocol
    namespace: string
    family: Family | undefined
    identity: ProxyIdentity
  },
): Destination | NotProxied {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+)):(?<port>[a-z0-9-]+)$/i.exec(text)
  const { v6, host = '', port = '' } = match?.groups ?? {}
  if (match === null) throw new TraceError(`"${text}" is not SERVICE:PORT, ADDRESS:PORT or [ADDRESS]:PORT`)
  const address = v6 ?? host
  if (packAddress(address, familyOf(address)) !== undefined) {
    const number = Number(port)
    if (!(number > 0 && number < 65_536)) throw new TraceError(`"${port}" is not a port number`)
    return { address, port: number, family: familyOf(address), resolution: '' }
  }
  return ofService(findService(address, options), { ...options, port })
}

function findService(name: string, { store, namespace }: { store: Store; namespace: string }): Service {
  const [first = '', second] = name.includes('/')
    ? name.split('/').reverse()
    : name.replace(/\.$/, '').split('.')
  const candidates = second === undefined ? [namespace || 'default'] : [second]
  for (const candidate of candidates) {
    const service = store.get('Service', `${candidate}/${first}`)
    if (service !== undefined) return service
  }
  const others = [...store.list('Service')].filter(({ metadata }) => metadata.name === first)
  const hint = others.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')
  throw new TraceError(
    `there is no Service ${candidates[0]}/${first}${hint === '' ? '' : `; did you mean ${hint}?`}`,
  )
}

function ofService(
  service: Service,
  options: { protocol: Protocol; port: string; family: Family | undefined; identity: ProxyIdentity },
): Destination | NotProxied {
  const key = `${service.metadata.namespace}/${service.metadata.name}`
  const ignored = whyIgnored(service, options.identity)
  if (ignored !== undefined) return { service: key, reason: `the proxy ignores Service ${key}: ${ignored}` }
  const addresses = clusterIPsOf(service)
  const address = addresses.find(
    (candidate) => familyOf(candidate) === (options.family ?? familyOf(candidate)),
  )
  if (address === undefined) throw new TraceError(`Service ${key} has no IPv${options.family} clusterIP`)
  const { number, name } = portOf(service, options)
  return {
    address,
    port: number,
    family: familyOf(address),
    resolution: `Service ${key} has clusterIP ${addresses.join(' and ')}${name}`,
  }
}

function portOf(
  service: Service,
  { port, protocol }: { port: string; protocol: Protocol },
): { number: number; name: string } {
  const number = Number(port)
  // A number that the Service does not have is a question, too: what happens there?
  if (Number.isInteger(number) && number > 0) return { number, name: '' }
  const byName = (candidate: ServicePort) => candidate.name === port && candidate.protocol === protocol
  const found = service.spec.ports.find(byName)
  if (found !== undefined) return { number: found.port, name: `, port ${port} is ${found.port}` }
  const names = service.spec.ports.map(({ name, protocol: of }) => `${name || '(unnamed)'}/${of}`).join(', ')
  throw new TraceError(`the Service has no ${protocol} port called "${port}"; it has ${names}`)
}
