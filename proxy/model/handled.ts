import type { Service } from '#watch'

const PROXY_NAME = 'service.kubernetes.io/service-proxy-name'
const HEADLESS = 'service.kubernetes.io/headless'

/** Which of the proxies of a node this one is, as Services name them; '': the one without a name. */
export interface ProxyIdentity {
  readonly serviceProxyName: string
}

/** Why a Service gets no rules at all, or undefined if it does. */
export function whyIgnored(service: Service, { serviceProxyName }: ProxyIdentity): string | undefined {
  const { labels } = service.metadata
  const chosen = labels[PROXY_NAME]
  if (serviceProxyName === '' && chosen !== undefined) return `label ${PROXY_NAME} gives it to another proxy`
  if (serviceProxyName !== (chosen ?? ''))
    return `label ${PROXY_NAME} does not give it to this proxy, "${serviceProxyName}"`
  if (labels[HEADLESS] !== undefined) return `label ${HEADLESS} is set`
  if (service.spec.type === 'ExternalName') return 'type ExternalName'
  if (service.spec.clusterIP === 'None') return 'headless'
  if (service.spec.clusterIP === '') return 'no clusterIP yet'
  return undefined
}
