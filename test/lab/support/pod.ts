import { mustDecode, type Pod } from '#watch'

/** A Pod from what a manifest would say, with the defaults the watch cache fills in. */
export function podOf(spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Pod {
  return mustDecode({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'web-1', ...metadata },
    spec: { nodeName: 'node1', containers: [{ name: 'web', image: 'bookstore:1' }], ...spec },
  }) as Pod
}
