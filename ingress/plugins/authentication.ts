import type { RequestContext } from '../dataplane/context.ts'
import type { Schema } from '../objects/index.ts'
import type { AuthEntry } from './consumers.ts'
import type { PluginAnswer, PluginEnvironment } from './plugin.ts'

/** The realm a client is asked to authenticate in: printable characters that need no escape in a header field. */
export function realmSchema(usual: string): Schema {
  return { type: 'string', pattern: '^[ !#-[\\]-~]+$', default: usual, minLength: 1, maxLength: 128 }
}

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

/** What comes of a request nobody vouches for: it is the anonymous consumer's if the configuration has one, else refused. */
export function anonymousOr(
  refuse: (message: string) => PluginAnswer,
  message: string,
  context: RequestContext,
  { conf, environment }: { conf: { anonymous_consumer?: string }; environment: PluginEnvironment },
): PluginAnswer | undefined {
  if (conf.anonymous_consumer === undefined) return refuse(message)
  const consumer = environment.auth.consumer(conf.anonymous_consumer)
  if (consumer === undefined) return refuse('Invalid user authorization')
  attachConsumer(context, { consumer, conf: {} }, 'anonymous')
  return undefined
}
