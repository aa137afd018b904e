import { basicAuth } from './basic-auth/index.ts'
import { cors } from './cors/index.ts'
import { faultInjection } from './fault-injection/index.ts'
import { ipRestriction } from './ip-restriction/index.ts'
import { keyAuth } from './key-auth/index.ts'
import { limitCount } from './limit-count/index.ts'
import { mocking } from './mocking/index.ts'
import type { Plugin } from './plugin.ts'
import { prometheus } from './prometheus/index.ts'
import { proxyRewrite } from './proxy-rewrite/index.ts'
import { redirect } from './redirect/index.ts'
import { requestId } from './request-id/index.ts'
import { responseRewrite } from './response-rewrite/index.ts'
import { trafficSplit } from './traffic-split/index.ts'

/** Every plugin there is, highest priority first. A new plugin is a folder and a line here. */
export const PLUGINS: readonly Plugin[] = [
  requestId,
  faultInjection,
  mocking,
  cors,
  ipRestriction,
  basicAuth,
  keyAuth,
  proxyRewrite,
  limitCount,
  trafficSplit,
  redirect,
  responseRewrite,
  prometheus,
]

/** The plugins switched on: all, or those of config.yaml's `plugins` list. Unknown names are returned apart. */
export function selectPlugins(names: readonly string[] | undefined): {
  readonly registry: ReadonlyMap<string, Plugin>
  readonly unknown: readonly string[]
} {
  const known = new Map(PLUGINS.map((plugin) => [plugin.name, plugin]))
  if (names === undefined) return { registry: known, unknown: [] }
  const registry = new Map(
    PLUGINS.filter(({ name }) => names.includes(name)).map((plugin) => [plugin.name, plugin]),
  )
  return { registry, unknown: names.filter((name) => !known.has(name)) }
}
