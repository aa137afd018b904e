import { type ApisixTimeout, apisixVersion, timeoutIn, weightIn } from './apisix-common.ts'
import { portLimits } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { JsonObject, KubeObject, StringMap } from './meta.ts'

export interface ApisixExternalNode {
  readonly name: string
  readonly type: 'Domain' | 'Service'
  readonly weight: number
  /** undefined: the scheme's port */
  readonly port?: number | undefined
}

/** What can be said of an upstream as a whole or of one of its ports. */
export interface ApisixUpstreamSettings {
  readonly loadbalancer?: { readonly type: string; readonly hashOn: string; readonly key: string } | undefined
  /** undefined: http, unless the Service's port says otherwise */
  readonly scheme?: string | undefined
  readonly retries?: number | undefined
  readonly timeout?: ApisixTimeout | undefined
  /** as in the CRD: `active` and `passive` with camelCase names; checked by the gateway */
  readonly healthCheck?: JsonObject | undefined
  readonly tlsSecret?: { readonly name: string; readonly namespace: string } | undefined
  readonly subsets: readonly { readonly name: string; readonly labels: StringMap }[]
  readonly passHost?: 'pass' | 'node' | 'rewrite' | undefined
  readonly upstreamHost: string
  readonly discovery?:
    | { readonly serviceName: string; readonly type: string; readonly args: StringMap }
    | undefined
}

/** Of the same name as a Service, or referenced from ApisixRoute `upstreams`. */
export interface ApisixUpstream extends KubeObject {
  readonly kind: 'ApisixUpstream'
  readonly spec: ApisixUpstreamSettings & {
    readonly ingressClassName?: string | undefined
    readonly externalNodes: readonly ApisixExternalNode[]
    readonly portLevelSettings: readonly (ApisixUpstreamSettings & { readonly port: number })[]
  }
}

export function decodeApisixUpstream(root: Field): ApisixUpstream {
  const spec = root.at('spec').object()
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixUpstream',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      ...settingsIn(spec),
      ingressClassName: spec.at('ingressClassName').optionalString(),
      externalNodes: spec.at('externalNodes').list((item) => ({
        name: item.requiredObject().at('name').requiredString(),
        type: item.at('type').oneOf(['Domain', 'Service'], 'Domain'),
        weight: weightIn(item.at('weight')),
        port: item.at('port').optionalInteger(portLimits),
      })),
      portLevelSettings: spec.at('portLevelSettings').list((item) => ({
        ...settingsIn(item.requiredObject()),
        port: item.at('port').requiredInteger(portLimits),
      })),
    },
  }
}

function settingsIn(field: Field): ApisixUpstreamSettings {
  const loadbalancer = field.at('loadbalancer').object()
  const tlsSecret = field.at('tlsSecret').object()
  const discovery = field.at('discovery').object()
  const passHost = field.at('passHost')
  return {
    loadbalancer: loadbalancer.missing
      ? undefined
      : {
          type: loadbalancer.at('type').oneOf(['roundrobin', 'chash', 'ewma', 'least_conn'], 'roundrobin'),
          hashOn: loadbalancer.at('hashOn').string(),
          key: loadbalancer.at('key').string(),
        },
    scheme: field.at('scheme').missing
      ? undefined
      : field.at('scheme').oneOf(['http', 'https', 'grpc', 'grpcs', 'tcp', 'tls', 'udp'], 'http'),
    retries: field.at('retries').optionalInteger({ min: 0, max: 2 ** 31 - 1 }),
    timeout: timeoutIn(field.at('timeout')),
    healthCheck: field.at('healthCheck').missing ? undefined : field.at('healthCheck').jsonObject(),
    tlsSecret: tlsSecret.missing
      ? undefined
      : { name: tlsSecret.at('name').requiredString(), namespace: tlsSecret.at('namespace').string() },
    subsets: field.at('subsets').list((item) => ({
      name: item.requiredObject().at('name').requiredString(),
      labels: item.at('labels').stringMap(),
    })),
    passHost: passHost.missing ? undefined : passHost.oneOf(['pass', 'node', 'rewrite'], 'pass'),
    upstreamHost: field.at('upstreamHost').string(),
    discovery: discovery.missing
      ? undefined
      : {
          serviceName: discovery.at('serviceName').requiredString(),
          type: discovery.at('type').requiredString(),
          args: discovery.at('args').stringMap(),
        },
  }
}
