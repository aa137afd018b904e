import { isObject, type JsonObject } from '../objects/index.ts'
import { call } from '../plugins/http-call.ts'
import { SECRET_TIMEOUT_MS } from './field.ts'

/** What a `secrets` object of manager vault says. */
export interface VaultConf {
  readonly uri: string
  readonly prefix: string
  readonly token: string
  readonly namespace?: string | undefined
  readonly ssl_verify?: boolean | undefined
}

/**
 * Reads one key of a secret from HashiCorp Vault's KV engine (`path/of/secret/key`), version 1, or version 2 where the prefix
 * has its `data` part (kv/data/apisix). Rejects if it is not there.
 */
export async function readVault(conf: VaultConf, path: string): Promise<string> {
  const slash = path.lastIndexOf('/')
  if (slash <= 0 || slash === path.length - 1) throw new Error(`${path} is not <path of the secret>/<key>`)
  const place = [conf.prefix, path.slice(0, slash)].map((part) => part.replace(/^\/+|\/+$/g, '')).join('/')
  const { status, body } = await call({
    url: `${conf.uri.replace(/\/+$/, '')}/v1/${place}`,
    method: 'GET',
    headers: {
      'X-Vault-Token': conf.token,
      ...(conf.namespace === undefined ? {} : { 'X-Vault-Namespace': conf.namespace }),
    },
    timeoutMs: SECRET_TIMEOUT_MS,
    verify: conf.ssl_verify ?? true,
  })
  if (status !== 200) throw new Error(`Vault answers ${status} for ${place}`)
  const answer: unknown = JSON.parse(body.toString('utf8'))
  const data = isObject(answer) && isObject(answer.data) ? answer.data : {}
  const value = valuesOf(data)[path.slice(slash + 1)]
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new Error(`${place} in Vault has no ${path.slice(slash + 1)}`)
}

/** Version 2 of the engine wraps what version 1 gives. */
function valuesOf(data: JsonObject): JsonObject {
  return isObject(data.data) && isObject(data.metadata) ? data.data : data
}
