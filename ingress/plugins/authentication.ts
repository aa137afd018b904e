import type { RequestContext } from '../dataplane/context.ts'
import type { AuthEntry } from './consumers.ts'
import type { PluginEnvironment } from './plugin.ts'

const IDENTITY = ['X-Consumer-Username', 'X-Credential-Identifier', 'X-Consumer-Custom-ID']

/** Takes away identity fields the client sent: only the gateway says who somebody is (CVE-2026-31908). */
export function clearIdentity(context: RequestContext): void {
  for (const name of IDENTITY) if (context.exchange.headers.has(name)) context.exchange.headers.remove(name)
}

/** Makes the consumer known to later plugins and to the upstream. */
export function attachConsumer(context: RequestContext, entry: AuthEntry, plugin: string): void {
  context.consumer = entry.consumer
  context.consumerPlugin = plugin
  context.exchange.headers.set('X-Consumer-Username', entry.consumer.username)
  if (entry.credential !== undefined)
    context.exchange.headers.set('X-Credential-Identifier', entry.credential)
  const custom = entry.consumer.labels?.custom_id
  if (custom !== undefined) context.exchange.headers.set('X-Consumer-Custom-ID', custom)
}

/** Falls back to the anonymous consumer of the configuration; false if there is none. */
export function attachAnonymous(
  context: RequestContext,
  conf: { anonymous_consumer?: string },
  environment: PluginEnvironment,
): boolean {
  if (conf.anonymous_consumer === undefined) return false
  const consumer = environment.auth.consumer(conf.anonymous_consumer)
  if (consumer === undefined) return false
  attachConsumer(context, { consumer, conf: {} }, 'anonymous')
  return true
}
