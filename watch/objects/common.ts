import { addressIn } from './address.ts'
import type { Field } from './field.ts'
import type { Condition, IntOrString, LabelSelector, ObjectReference, Protocol } from './meta.ts'
import type { LoadBalancerIngress } from './service.ts'

export const protocols = ['TCP', 'UDP', 'SCTP'] as const
export const portLimits = { min: 1, max: 65535 } as const

export function protocolIn(field: Field): Protocol {
  return field.oneOf(protocols, 'TCP')
}

export function portIn(field: Field): number {
  return field.requiredInteger(portLimits)
}

/** 0 when missing or 0. */
export function optionalPortIn(field: Field): number {
  return field.integer(0, { min: 0, max: 65535 })
}

/** A port by number or IANA service name; undefined when missing. */
export function portOrNameIn(field: Field): IntOrString | undefined {
  if (field.missing) return undefined
  if (
    typeof field.value === 'string' &&
    /^[0-9]*[A-Za-z][A-Za-z0-9-]*$|^[0-9-]*[A-Za-z]$/.test(field.value)
  ) {
    return field.value
  }
  if (
    typeof field.value === 'number' &&
    Number.isInteger(field.value) &&
    field.value >= 1 &&
    field.value <= 65535
  ) {
    return field.value
  }
  field.expected('a port number from 1 to 65535 or the name of a port')
  return undefined
}

export function conditionsIn(field: Field): Condition[] {
  return field.list((item) => ({
    type: item.requiredObject().at('type').requiredString(),
    status: item.at('status').oneOf(['True', 'False', 'Unknown'], 'Unknown'),
    reason: item.at('reason').string(),
    message: item.at('message').string(),
    lastTransitionTime: timestampIn(item.at('lastTransitionTime')),
  }))
}

/** RFC 3339 text; YAML may have turned it into a Date. */
export function timestampIn(field: Field): string | undefined {
  if (field.missing || field.value === '') return undefined
  if (field.value instanceof Date) return field.value.toISOString()
  const text = field.string()
  if (text !== '' && Number.isNaN(Date.parse(text))) field.expected('a time such as 2026-01-31T12:00:00Z')
  return text
}

export function selectorIn(field: Field): LabelSelector {
  field.object()
  return {
    matchLabels: field.at('matchLabels').stringMap(),
    matchExpressions: field.at('matchExpressions').list((item) => {
      const operator = item
        .requiredObject()
        .at('operator')
        .requiredOneOf(['In', 'NotIn', 'Exists', 'DoesNotExist'])
      const values = item.at('values').list((value) => value.string())
      if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
        item.at('values').expected(`at least one value for operator ${operator}`)
      }
      return { key: item.at('key').requiredString(), operator, values }
    }),
  }
}

export function referenceIn(field: Field): ObjectReference | undefined {
  if (field.missing) return undefined
  field.object()
  return {
    kind: field.at('kind').string(),
    namespace: field.at('namespace').string(),
    name: field.at('name').string(),
    uid: field.at('uid').string(),
  }
}

export function loadBalancerIn(field: Field): { ingress: LoadBalancerIngress[] } {
  return {
    ingress: field
      .object()
      .at('ingress')
      .list((item) => ({
        ip: addressIn(item.requiredObject().at('ip')),
        hostname: item.at('hostname').string(),
        ipMode: item.at('ipMode').oneOf(['VIP', 'Proxy'], 'VIP'),
      })),
  }
}
