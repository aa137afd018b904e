import { crc32 } from 'node:zlib'

/** apisix-ingress-controller 1.x's id of a name: CRC-32 (IEEE), lower-case hex without padding. */
export function idOf(name: string): string {
  return crc32(name).toString(16)
}

export const DESCRIPTION = 'Created by apisix-ingress-controller, DO NOT modify it manually'
export const MANAGED_BY: Readonly<Record<string, string>> = { 'managed-by': 'apisix-ingress-controller' }

export function upstreamName(
  namespace: string,
  service: string,
  port: number | string,
  { subset, granularity }: { readonly subset: string; readonly granularity: string },
): string {
  return `${namespace}_${service}${subset === '' ? '' : `_${subset}`}_${port}${granularity === 'service' ? '_service' : ''}`
}

export function routeName(namespace: string, name: string, rule: string): string {
  return `${namespace}_${name}_${rule}`
}

export function ingressRouteName(namespace: string, name: string, host: string, path: string): string {
  return `ing_${namespace}_${name}_${idOf(host + path)}`
}

/** Consumers allow no '-'. */
export function consumerName(namespace: string, name: string): string {
  return `${namespace}_${name}`.replaceAll('-', '_')
}
