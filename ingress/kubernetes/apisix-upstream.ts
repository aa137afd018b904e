import type { ApisixUpstream, Store } from '#watch'
import { keyFrom } from '#watch'
import { checkUpstream } from '../objects/check-upstream.ts'
import { isObject, SCHEMAS, type Upstream, validate } from '../objects/index.ts'
import { resourceIsOurs } from './classes.ts'
import { checksOf } from './health-check.ts'
import { DESCRIPTION, idOf, MANAGED_BY } from './names.ts'
import type { TranslationContext } from './plugin-settings.ts'
import { Translation } from './translation.ts'

/**
 * An ApisixUpstream by itself makes nothing: it is part of the upstreams of Services and routes. What of it has no effect is
 * told on the object itself.
 */
export function translateUpstream(context: TranslationContext, object: ApisixUpstream): Translation {
  const { store } = context
  const { namespace, name } = object.metadata
  const translation = new Translation(`ApisixUpstream ${namespace}/${name}`)
  if (!resourceIsOurs(store, object.spec.ingressClassName, context.ingressClass)) return translation
  const parts = [
    ['spec', object.spec, 0],
    ...object.spec.portLevelSettings.map(
      (own, index) => [`spec.portLevelSettings[${index}]`, own, own.port] as const,
    ),
  ] as const
  for (const [field, settings, port] of parts) {
    const checks = checksOf(settings.healthCheck)
    if (typeof checks === 'string') translation.problem(`${field}.healthCheck`, checks)
    const secret = useSecret(translation, namespace, settings.tlsSecret)
    if (secret !== undefined && clientCertificate(store, namespace, settings.tlsSecret) === undefined)
      translation.problem(
        `${field}.tlsSecret`,
        `Secret ${secret} does not exist, or has no certificate and key`,
      )
    const { discovery } = settings
    const made = {
      ...upstreamSettings(store, object, port),
      ...(discovery === undefined
        ? { nodes: {} }
        : { service_name: discovery.serviceName, discovery_type: discovery.type }),
    }
    const fault = validate(SCHEMAS.upstreams, made) ?? checkUpstream(made, { references: 'unchecked' })
    if (fault !== undefined) translation.problem(field, fault)
    if (discovery !== undefined && field !== 'spec')
      translation.problem(`${field}.discovery`, 'is looked at in spec only')
  }
  checkExternalNodes(store, translation, object)
  return translation
}

function checkExternalNodes(
  store: Store,
  translation: Translation,
  { metadata, spec }: ApisixUpstream,
): void {
  for (const [index, node] of spec.externalNodes.entries()) {
    if (node.type !== 'Service') continue
    const key = keyFrom(metadata.namespace, node.name)
    translation.uses.add(`Service ${key}`)
    if (store.get('Service', key)?.spec.type !== 'ExternalName')
      translation.problem(`spec.externalNodes[${index}].name`, `Service ${key} is not of type ExternalName`)
  }
}

/** Notes that a translation depends on the Secret of a `tlsSecret`; its key. */
export function useSecret(
  translation: Translation,
  namespace: string,
  reference: { readonly name: string; readonly namespace: string } | undefined,
): string | undefined {
  if (reference === undefined) return undefined
  const key = keyFrom(reference.namespace || namespace, reference.name)
  translation.uses.add(`Secret ${key}`)
  return key
}

/** The part of an upstream that an ApisixUpstream decides, its port's settings over the general ones. */
export function upstreamSettings(
  store: Store,
  upstream: ApisixUpstream | undefined,
  port: number | string,
): Partial<Upstream> {
  if (upstream === undefined) return {}
  const own = upstream.spec.portLevelSettings.find((one) => one.port === port)
  const merged: Partial<Record<keyof Upstream, unknown>> = {}
  for (const settings of [upstream.spec, own]) {
    if (settings === undefined) continue
    if (settings.scheme !== undefined) merged.scheme = settings.scheme
    const tls = clientCertificate(store, upstream.metadata.namespace, settings.tlsSecret)
    if (tls !== undefined) merged.tls = tls
    if (settings.retries !== undefined) merged.retries = settings.retries
    if (settings.timeout !== undefined) {
      merged.timeout = { connect: 60, send: 60, read: 60, ...withoutUndefined(settings.timeout) }
    }
    if (settings.passHost !== undefined) merged.pass_host = settings.passHost
    if (settings.upstreamHost !== '') merged.upstream_host = settings.upstreamHost
    const balancer = settings.loadbalancer?.type
    if (balancer === 'roundrobin' || balancer === 'least_conn' || balancer === 'ewma') merged.type = balancer
    const checks = checksOf(settings.healthCheck)
    if (isObject(checks)) merged.checks = checks
    if (settings.loadbalancer?.type === 'chash') {
      merged.type = 'chash'
      merged.hash_on = settings.loadbalancer.hashOn === '' ? 'vars' : settings.loadbalancer.hashOn
      merged.key = settings.loadbalancer.key
    }
  }
  return merged as Partial<Upstream>
}

/** An ApisixUpstream that lists servers itself. */
export function externalUpstream(store: Store, upstream: ApisixUpstream): Upstream {
  const { namespace, name } = upstream.metadata
  const { discovery, externalNodes } = upstream.spec
  const full = `${namespace}_${name}`
  return {
    id: idOf(full),
    name: full,
    desc: DESCRIPTION,
    labels: MANAGED_BY,
    type: 'roundrobin',
    hash_on: 'vars',
    scheme: 'http',
    pass_host: 'pass',
    ...upstreamSettings(store, upstream, 0),
    ...(discovery === undefined
      ? {
          nodes: externalNodes.map((one) => ({
            host: one.type === 'Service' ? externalName(store, namespace, one.name) : one.name,
            ...(one.port === undefined ? {} : { port: one.port }),
            weight: one.weight,
            priority: 0,
          })),
        }
      : {
          service_name: discovery.serviceName,
          discovery_type: discovery.type,
          discovery_args: discovery.args,
        }),
  }
}

/** An external node of type Service names a Service of type ExternalName. */
function externalName(store: Store, namespace: string, name: string): string {
  const found = store.get('Service', keyFrom(namespace, name))?.spec.externalName ?? ''
  return found === '' ? `${name}.${namespace}.svc` : found
}

/** The certificate shown to servers, from a Secret; undefined as long as the Secret is not there. */
function clientCertificate(
  store: Store,
  namespace: string,
  reference: { readonly name: string; readonly namespace: string } | undefined,
): Upstream['tls'] | undefined {
  if (reference === undefined) return undefined
  const secret = store.get('Secret', keyFrom(reference.namespace || namespace, reference.name))
  const cert = (secret?.data['tls.crt'] ?? secret?.data.cert)?.toString('utf8')
  const key = (secret?.data['tls.key'] ?? secret?.data.key)?.toString('utf8')
  return cert === undefined || key === undefined ? undefined : { client_cert: cert, client_key: key }
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Partial<T>
}
