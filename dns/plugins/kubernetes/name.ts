import { isSubdomain, splitName } from '../../wire/index.ts'

/** What a name under the cluster zone asks about (Kubernetes DNS specification 1.1.0). */
export type Asked =
  | { readonly kind: 'apex' }
  /** dns-version */
  | { readonly kind: 'version' }
  /** ns.dns, the name server's own name */
  | { readonly kind: 'nameserver' }
  /** 'svc' or 'pod' alone: exists, but has no records */
  | { readonly kind: 'empty' }
  | { readonly kind: 'namespace'; readonly namespace: string; readonly of: 'svc' | 'pod' }
  | {
      readonly kind: 'service'
      readonly namespace: string
      readonly service: string
      /** host name of an endpoint, '' for none */
      readonly endpoint: string
      /** id of the endpoint's cluster, in a multicluster zone */
      readonly cluster?: string | undefined
      /** without underscore, '' for any */
      readonly port: string
      readonly protocol: string
      /** only endpoints of a topology zone (`zonal`); prefer: all of them where the zone has none */
      readonly within?: { readonly zone: string; readonly how: 'pin' | 'prefer' } | undefined
    }
  | { readonly kind: 'pod'; readonly namespace: string; readonly pod: string }
  /** no name of this form exists */
  | { readonly kind: 'none' }

const none: Asked = { kind: 'none' }

/** Which names there are beside those of the specification. */
export interface NameForms {
  readonly zonal?: boolean
  /** a zone of ServiceImports: endpoints below their cluster, no pods, no topology zones */
  readonly multicluster?: boolean
}

/** Reads a lower-case name that lies in `zone`. */
export function readAsked(name: string, zone: string, forms: NameForms = {}): Asked {
  if (name === zone) return { kind: 'apex' }
  if (!isSubdomain(name, zone)) return none
  const labels = splitName(zone === '.' ? name : name.slice(0, name.length - zone.length))
  const [first = '', second = '', third = ''] = labels
  const base = labels.at(-1)
  if (labels.length === 1 && base === 'dns-version') return { kind: 'version' }
  if (labels.length === 2 && first === 'ns' && second === 'dns') return { kind: 'nameserver' }
  const multicluster = forms.multicluster === true
  if (base !== 'svc' && (base !== 'pod' || multicluster)) return none
  const namespace = labels.at(-2) ?? ''
  switch (labels.length) {
    case 1:
      return { kind: 'empty' }
    case 2:
      return { kind: 'namespace', namespace, of: base }
    case 3:
      if (base === 'pod') return { kind: 'pod', namespace, pod: first }
      return { kind: 'service', namespace, service: first, endpoint: '', port: '', protocol: '' }
    case 4:
      if (base === 'pod') return none
      return { kind: 'service', namespace, service: second, endpoint: first, port: '', protocol: '' }
    case 5:
      if (base === 'pod') return none
      if (multicluster && !first.startsWith('_') && !second.startsWith('_')) {
        const port = { port: '', protocol: '' }
        return { kind: 'service', namespace, service: third, endpoint: first, cluster: second, ...port }
      }
      return {
        kind: 'service',
        namespace,
        service: third,
        endpoint: '',
        port: bare(first),
        protocol: bare(second),
      }
    default:
      return forms.zonal === true && base === 'svc' && !multicluster ? readZonal(labels) : none
  }
}

/** `<topology zone>.pin|prefer._zone.<service>.<namespace>.svc`; the zone may have dots. */
function readZonal(labels: readonly string[]): Asked {
  const [how, mark, service = '', namespace = ''] = labels.slice(-5)
  if (mark !== '_zone' || (how !== 'pin' && how !== 'prefer')) return none
  const within = { zone: labels.slice(0, -5).join('.'), how } as const
  return { kind: 'service', namespace, service, endpoint: '', port: '', protocol: '', within }
}

function bare(label: string): string {
  return label.startsWith('_') ? label.slice(1) : label
}

/** '10-1-2-3' or 'fd00--1' as an address: exactly three dashes and no double one is IPv4. Undefined for anything else. */
export function addressOfPodName(pod: string): string {
  const dashes = pod.split('-').length - 1
  return dashes === 3 && !pod.includes('--') ? pod.replaceAll('-', '.') : pod.replaceAll('-', ':')
}

/** The label that stands for an address where an endpoint has no host name. */
export function nameOfAddress(address: string): string {
  if (!address.includes(':')) return address.replaceAll('.', '-')
  const name = address.replaceAll(':', '-')
  return name.endsWith('-') ? `${name}0` : name
}
