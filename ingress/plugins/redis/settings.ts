import type { JsonObject, Schema } from '../../objects/index.ts'
import { RedisCluster, type RedisScripts, RedisSentinel, RedisServer } from './client.ts'
import type { RedisSettings } from './connection.ts'

/** The redis_* properties that the limiting plugins share; their defaults depend on the policy, see checkRedis. */
export const REDIS_PROPERTIES: Readonly<Record<string, Schema>> = {
  redis_host: { type: 'string', minLength: 2 },
  redis_port: { type: 'integer', minimum: 1 },
  redis_username: { type: 'string', minLength: 1 },
  redis_password: { type: 'string', minLength: 0 },
  redis_database: { type: 'integer', minimum: 0 },
  redis_timeout: { type: 'integer', minimum: 1 },
  redis_ssl: { type: 'boolean' },
  redis_ssl_verify: { type: 'boolean' },
  redis_keepalive_timeout: { type: 'integer', minimum: 1000 },
  redis_keepalive_pool: { type: 'integer', minimum: 1 },
  redis_cluster_nodes: {
    type: 'array',
    minItems: 1,
    items: { type: 'string', minLength: 2, maxLength: 100 },
  },
  redis_cluster_name: { type: 'string' },
  redis_cluster_ssl: { type: 'boolean' },
  redis_cluster_ssl_verify: { type: 'boolean' },
  redis_sentinels: {
    type: 'array',
    minItems: 1,
    items: {
      type: 'object',
      properties: {
        host: { type: 'string', minLength: 1 },
        port: { type: 'integer', minimum: 1, maximum: 65535 },
      },
      required: ['host', 'port'],
    },
  },
  redis_master_name: { type: 'string', minLength: 1 },
  redis_role: { type: 'string', enum: ['master'] },
  sentinel_username: { type: 'string', minLength: 1 },
  sentinel_password: { type: 'string', minLength: 1 },
}

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  redis: ['redis_host'],
  'redis-cluster': ['redis_cluster_nodes', 'redis_cluster_name'],
  'redis-sentinel': ['redis_sentinels', 'redis_master_name'],
}
const DEFAULTS: Readonly<Record<string, JsonObject>> = {
  redis: {
    redis_port: 6379,
    redis_database: 0,
    redis_timeout: 1000,
    redis_ssl: false,
    redis_ssl_verify: false,
    redis_keepalive_timeout: 10_000,
    redis_keepalive_pool: 100,
  },
  'redis-cluster': { redis_timeout: 1000, redis_cluster_ssl: false, redis_cluster_ssl_verify: false },
  'redis-sentinel': { redis_database: 0, redis_timeout: 1000, redis_role: 'master' },
}

/** Checks what the policy of a configuration needs and fills in its defaults; a sentence if something is missing. */
export function checkRedis(conf: JsonObject): string | undefined {
  const policy = String(conf.policy)
  // APISIX says no more than this either.
  if (NEEDED[policy]?.some((name) => conf[name] === undefined))
    return policy === 'redis' ? 'then clause did not match' : 'else clause did not match'
  for (const [name, value] of Object.entries(DEFAULTS[policy] ?? {})) conf[name] ??= value
  return undefined
}

export const POLICIES = ['local', 'redis', 'redis-cluster', 'redis-sentinel'] as const
const NAMES: readonly string[] = Object.keys(REDIS_PROPERTIES)

const clients = new Map<string, RedisScripts>()

/** The client of a configuration; one for all that name the same servers. undefined for policy local. */
export function redisOf(conf: JsonObject): RedisScripts | undefined {
  if (conf.policy === undefined || conf.policy === 'local') return undefined
  const named = Object.fromEntries(NAMES.map((name) => [name, conf[name]]))
  const key = JSON.stringify([conf.policy, named])
  let client = clients.get(key)
  if (client === undefined) {
    client = makeClient(conf)
    clients.set(key, client)
  }
  return client
}

const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value))

function makeClient(conf: JsonObject): RedisScripts {
  const cluster = conf.policy === 'redis-cluster'
  const settings: RedisSettings = {
    username: text(conf.redis_username),
    password: text(conf.redis_password),
    database: cluster ? 0 : Number(conf.redis_database ?? 0),
    timeoutMs: Number(conf.redis_timeout ?? 1000),
    ssl: (cluster ? conf.redis_cluster_ssl : conf.redis_ssl) === true,
    sslVerify: (cluster ? conf.redis_cluster_ssl_verify : conf.redis_ssl_verify) === true,
  }
  if (cluster) return new RedisCluster((conf.redis_cluster_nodes as unknown[]).map(String), settings)
  if (conf.policy === 'redis-sentinel') {
    const sentinels = conf.redis_sentinels as { host: string; port: number }[]
    const sentinel = { username: text(conf.sentinel_username), password: text(conf.sentinel_password) }
    return new RedisSentinel(sentinels, String(conf.redis_master_name), { ...settings, sentinel })
  }
  return new RedisServer({ host: String(conf.redis_host), port: Number(conf.redis_port) }, settings)
}
