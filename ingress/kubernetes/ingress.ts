import type { Ingress, IngressBackend, IngressPath } from '#watch'
import type { Route, Upstream } from '../objects/index.ts'
import { annotationSettings } from './annotations.ts'
import { addBackend, type BackendReference, speaksWebSocket } from './backends.ts'
import { ingressIsOurs } from './classes.ts'
import { DESCRIPTION, idOf, ingressRouteName, MANAGED_BY } from './names.ts'
import type { TranslationContext } from './plugin-settings.ts'
import { addIngressCertificates } from './tls.ts'
import { Translation } from './translation.ts'

/** networking.k8s.io/v1 Ingress -> one route per host and path. */
export function translateIngress(context: TranslationContext, ingress: Ingress): Translation {
  const { namespace, name } = ingress.metadata
  const translation = new Translation(`Ingress ${namespace}/${name}`)
  if (!ingressIsOurs(context.store, ingress, context.ingressClass)) return translation
  addIngressCertificates(context, translation, ingress)
  const settings = annotationSettings(context, translation, ingress)
  const add = (host: string, path: string, uris: Partial<Route>, backend: IngressBackend, field: string) => {
    const full = ingressRouteName(namespace, name, host, path)
    const id = idOf(full)
    if (translation.routes.some((route) => route.id === id)) {
      translation.problem(
        field,
        `host ${host || '*'} and path ${path} are there more than once, the first is used`,
      )
      return
    }
    const from = settings.serviceNamespace ?? namespace
    const upstreamId = backendId(context, translation, from, backend, field, settings.upstream)
    if (upstreamId === undefined || settings.unusable) {
      translation.failed.add(`routes/${id}`)
      return
    }
    translation.routes.push({
      id,
      name: full,
      desc: DESCRIPTION,
      labels: MANAGED_BY,
      priority: 0,
      status: 1,
      ...(host === '' ? {} : { host }),
      ...settings.route,
      ...(upstreamSpeaksWebSocket(context, from, backend) ? { enable_websocket: true } : {}),
      ...uris,
      upstream_id: upstreamId,
    })
  }
  for (const [ruleIndex, rule] of ingress.spec.rules.entries()) {
    for (const [pathIndex, path] of rule.paths.entries()) {
      const field = `spec.rules[${ruleIndex}].http.paths[${pathIndex}]`
      add(rule.host, path.path, pathMatch(path, settings.regex), path.backend, `${field}.backend`)
    }
  }
  if (ingress.spec.defaultBackend !== undefined) {
    add('', '/*', { uris: ['/*'], priority: -1 }, ingress.spec.defaultBackend, 'spec.defaultBackend')
  }
  return translation
}

function pathMatch(path: IngressPath, regex: boolean): Partial<Route> {
  if (path.pathType === 'Exact') return { uris: [path.path] }
  if (path.pathType === 'Prefix') {
    // Element-wise: /foo and /foo/ mean the same, /foobar is not under either.
    const prefix = path.path.replace(/\/+$/, '')
    return { uris: [prefix === '' ? '/' : prefix, `${prefix}/*`] }
  }
  if (regex) return { uris: ['/*'], vars: [['uri', '~~', path.path]], priority: 100 }
  return { uris: [path.path === '' ? '/*' : path.path] }
}

function backendId(
  context: TranslationContext,
  translation: Translation,
  namespace: string,
  backend: IngressBackend,
  field: string,
  settings: Partial<Upstream> | undefined,
): string | undefined {
  if (backend.service === undefined) {
    translation.problem(field, 'only backends of kind Service can be used')
    return undefined
  }
  const reference = { ...referenceOf(namespace, backend.service), settings }
  return addBackend(context.store, translation, reference, `${field}.service`)
}

function referenceOf(
  namespace: string,
  { name, port }: NonNullable<IngressBackend['service']>,
): BackendReference {
  return {
    namespace,
    service: name,
    port: port.name === '' ? port.number : port.name,
    granularity: 'endpoint',
  }
}

function upstreamSpeaksWebSocket(
  context: TranslationContext,
  namespace: string,
  { service }: IngressBackend,
): boolean {
  return service !== undefined && speaksWebSocket(context.store, referenceOf(namespace, service))
}
