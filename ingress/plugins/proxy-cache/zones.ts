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

function find(attributes: JsonObject, name: string): JsonObject | undefined {
  const zones: unknown[] = Array.isArray(attributes.zones) ? attributes.zones : [...DEFAULT_ZONES]
  return zones.filter(isObject).find((one) => one.name === name)
}

/** A sentence if config.yaml (`apisix.proxy_cache.zones`) has no zone of that name and kind. */
export function checkZone(attributes: JsonObject, name: string, strategy: string): string | undefined {
  const zone = find(attributes, name)
  if (zone === undefined) return `cache_zone ${name} not found`
  return (zone.disk_path !== undefined) === (strategy === 'disk')
    ? undefined
    : `invalid or empty cache_zone for cache_strategy: ${strategy}`
}

/** The zone of a name, which there has to be. */
export function openZone(
  {
    attributes,
    processes,
    shared,
    state,
  }: Pick<PluginEnvironment, 'attributes' | 'processes' | 'shared' | 'state'>,
  name: string,
  strategy: 'disk' | 'memory',
): Zone {
  const fault = checkZone(attributes, name, strategy)
  if (fault !== undefined) throw new Error(fault)
  const zone = find(attributes, name) ?? {}
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
