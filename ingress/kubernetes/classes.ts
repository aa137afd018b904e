import type { Ingress, Store } from '#watch'

const CONTROLLERS: ReadonlySet<string> = new Set([
  'apisix.apache.org/apisix-ingress-controller',
  'apisix.apache.org/apisix-ingress',
])
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const DEFAULT_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class'

function isOurs(store: Store, name: string, ownName: string): boolean {
  if (name === ownName) return true
  const found = store.get('IngressClass', name)
  return found !== undefined && CONTROLLERS.has(found.spec.controller)
}

/** True if the Ingress is for this gateway: by class, by the older annotation, or because ours is the default class. */
export function ingressIsOurs(store: Store, ingress: Ingress, ownName: string): boolean {
  const name = ingress.spec.ingressClassName ?? ingress.metadata.annotations[CLASS_ANNOTATION]
  if (name !== undefined && name !== '') return isOurs(store, name, ownName)
  for (const candidate of store.list('IngressClass')) {
    if (candidate.metadata.annotations[DEFAULT_ANNOTATION] === 'true')
      return isOurs(store, candidate.metadata.name, ownName)
  }
  return false
}

/** Custom resources without a class are taken, as the 1.x controller did. */
export function resourceIsOurs(store: Store, className: string | undefined, ownName: string): boolean {
  return className === undefined || className === '' || isOurs(store, className, ownName)
}
