import path from 'node:path'
import { isObject, type JsonObject } from '../../objects/index.ts'
import type { PluginEnvironment } from '../plugin.ts'
import { DiskStore } from './disk-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { CacheStore } from './store.ts'
import { Zone } from './zone.ts'

const DEFAULT_ZONES: readonly JsonObject[] = [
  { name: 'disk_cache_one', memory_size: '50m', disk_size: '1G', disk_path: '/tmp/disk_cache_one' },
  { name: 'memory_cache', memory_size: '50m' },
]

function bytes(size: unknown, fallback: number): number {
  const match = /^(\d+)([kmg]?)$/i.exec(String(size ?? ''))
  if (match === null) return fallback
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] ?? 1
  return Number(match[1]) * unit
}

/** The zone of a name; undefined if config.yaml (`apisix.proxy_cache.zones`) has none of that name and kind. */
export function openZone(
  {
    attributes,
    processes,
    shared,
    state,
  }: Pick<PluginEnvironment, 'attributes' | 'processes' | 'shared' | 'state'>,
  name: string,
  strategy: 'disk' | 'memory',
): Zone | undefined {
  const zones = Array.isArray(attributes.zones) ? attributes.zones : DEFAULT_ZONES
  const zone: unknown = zones.find((one: unknown) => isObject(one) && one.name === name)
  if (!isObject(zone) || (zone.disk_path !== undefined) !== (strategy === 'disk')) return undefined
  const key = `${JSON.stringify(zone)} ${processes}`
  const store =
    (state.get(key) as CacheStore | undefined) ??
    (strategy === 'memory'
      ? new MemoryStore(bytes(zone.memory_size, 50 * 1024 ** 2) / processes)
      : new DiskStore(
          path.join(String(zone.disk_path), 'plexus'),
          bytes(zone.disk_size, 1024 ** 3) / processes,
        ))
  state.set(key, store)
  return new Zone(store, shared.within(`proxy-cache ${name}`))
}
