import type { Service } from '#watch'

const PROXY_NAME = 'service.kubernetes.io/service-proxy-name'
const HEADLESS = 'service.kubernetes.io/headless'

/** Why a Service gets no rules at all, or undefined if it does. */
export function whyIgnored(service: Service): string | undefined {
  const { labels } = service.metadata
  if (labels[PROXY_NAME] !== undefined) return `label ${PROXY_NAME} gives it to another proxy`
  if (labels[HEADLESS] !== undefined) return `label ${HEADLESS} is set`
  if (service.spec.type === 'ExternalName') return 'type ExternalName'
  if (service.spec.clusterIP === 'None') return 'headless'
  if (service.spec.clusterIP === '') return 'no clusterIP yet'
  return undefined
}
