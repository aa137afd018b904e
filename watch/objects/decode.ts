import { decodeApisixConsumer } from './apisix-consumer.ts'
import { decodeApisixGlobalRule, decodeApisixPluginConfig } from './apisix-plugin-config.ts'
import { decodeApisixRoute } from './apisix-route.ts'
import { decodeApisixTls } from './apisix-tls.ts'
import { decodeApisixUpstream } from './apisix-upstream.ts'
import { decodeConfigMap } from './config-map.ts'
import { decodeEndpointSlice } from './endpoint-slice.ts'
import { decodeEndpoints } from './endpoints.ts'
import { Field, type FieldProblem, formatPath } from './field.ts'
import { decodeIngress, decodeIngressClass } from './ingress.ts'
import { type AnyObject, isKind, type Kind, type KindMap, kindFacts } from './kinds.ts'
import { decodeNamespace } from './namespace.ts'
import { decodeNetworkPolicy } from './network-policy.ts'
import { decodeNode } from './node.ts'
import { decodePod } from './pod.ts'
import { decodeSecret } from './secret.ts'
import { decodeService } from './service.ts'
import { decodeServiceCIDR } from './service-cidr.ts'
import { decodeServiceImport } from './service-import.ts'

const decoders: { readonly [K in Kind]: (root: Field) => KindMap[K] } = {
  Node: decodeNode,
  Namespace: decodeNamespace,
  Pod: decodePod,
  Service: decodeService,
  EndpointSlice: decodeEndpointSlice,
  Endpoints: decodeEndpoints,
  Secret: decodeSecret,
  ConfigMap: decodeConfigMap,
  IngressClass: decodeIngressClass,
  Ingress: decodeIngress,
  NetworkPolicy: decodeNetworkPolicy,
  ServiceCIDR: decodeServiceCIDR,
  ServiceImport: decodeServiceImport,
  ApisixRoute: decodeApisixRoute,
  ApisixUpstream: decodeApisixUpstream,
  ApisixTls: decodeApisixTls,
  ApisixConsumer: decodeApisixConsumer,
  ApisixPluginConfig: decodeApisixPluginConfig,
  ApisixGlobalRule: decodeApisixGlobalRule,
}

/** `unknown`: of a kind or version the store does not keep; `invalid`: with the problems found. */
export type Decoded =
  | { readonly outcome: 'object'; readonly object: AnyObject }
  | { readonly outcome: 'unknown'; readonly message: string }
  | { readonly outcome: 'invalid'; readonly problems: readonly FieldProblem[] }

/**
 * Checks a raw Kubernetes object (as JSON or YAML parse it) and trims it to what is used, API defaults
 * applied. Finds all problems, not just the first.
 */
export function decodeObject(raw: unknown): Decoded {
  const problems: FieldProblem[] = []
  const root = Field.root(raw, problems).requiredObject()
  const kind = root.at('kind').requiredString()
  const apiVersion = root.at('apiVersion').requiredString()
  if (problems.length > 0) return { outcome: 'invalid', problems }
  if (!isKind(kind)) return { outcome: 'unknown', message: `${apiVersion} ${kind} is not used by Plexus` }
  const { apiVersions } = kindFacts[kind]
  if (!apiVersions.includes(apiVersion)) {
    return {
      outcome: 'unknown',
      message: `${kind} of ${apiVersion} cannot be read; use ${apiVersions.join(' or ')}`,
    }
  }
  const object = decoders[kind](root)
  return problems.length > 0 ? { outcome: 'invalid', problems } : { outcome: 'object', object }
}

/** An object somebody handed over in code is not valid. */
export class InvalidObjectError extends Error {
  readonly code = 'INVALID_OBJECT'
  readonly problems: readonly FieldProblem[]

  constructor(message: string, problems: readonly FieldProblem[]) {
    super(message)
    this.name = 'InvalidObjectError'
    this.problems = problems
  }
}

/** Like `decodeObject`; throws InvalidObjectError naming object and fields. */
export function mustDecode(raw: unknown): AnyObject {
  const decoded = decodeObject(raw)
  if (decoded.outcome === 'object') return decoded.object
  if (decoded.outcome === 'unknown') throw new InvalidObjectError(decoded.message, [])
  const root = Field.root(raw, [])
  const label = `${root.at('kind').string()} ${root.at('metadata').at('name').string()}`
  const list = decoded.problems.map(({ path, message }) => `${formatPath(path)} ${message}`)
  throw new InvalidObjectError(`${label}: ${list.join('; ')}`, decoded.problems)
}
