import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { AdminConfig, AdminKey } from '../config/gateway-config.ts'

/** The configured keys; without any, the one in `<data directory>/admin.key`, made (0600) and logged once if missing. */
export function adminKeys(
  config: AdminConfig,
  dataDirectory: string | undefined,
  log: Logger,
): readonly AdminKey[] {
  if (config.keys.length > 0 || !config.keyRequired) return config.keys
  const file = dataDirectory === undefined ? undefined : path.join(dataDirectory, 'admin.key')
  if (file !== undefined && existsSync(file)) {
    return [{ name: 'admin', key: readFileSync(file, 'utf8').trim(), role: 'admin' }]
  }
  const key = randomBytes(24).toString('hex')
  if (file === undefined) {
    log.warn(
      { key },
      'no deployment.admin.admin_key and no plexus.data_dir: this Admin API key lasts until the next start',
    )
  } else {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' })
    log.warn({ key, file }, 'no deployment.admin.admin_key is configured: generated one')
  }
  return [{ name: 'admin', key, role: 'admin' }]
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function givenKey(request: FastifyRequest): string | undefined {
  const query = request.query as Readonly<Record<string, unknown>>
  const cookie = /(?:^|;\s*)x_api_key=([^;]*)/.exec(request.headers.cookie ?? '')?.[1]
  const { 'x-api-key': field, x_api_key: underlined } = request.headers
  const given = [query.api_key, field, underlined, cookie].find((one) => typeof one === 'string')
  return typeof given === 'string' && given !== '' ? given : undefined
}

function match(given: string, keys: readonly AdminKey[]): AdminKey | undefined {
  const wanted = digest(given)
  return keys.find(({ key }) => timingSafeEqual(digest(key), wanted))
}

/** Decides on a request: undefined to let it pass, else the `description` of the 401. */
export function refusal(request: FastifyRequest, keys: readonly AdminKey[]): string | undefined {
  const given = givenKey(request)
  if (given === undefined) return 'missing apikey'
  const found = match(given, keys)
  if (found === undefined) return 'wrong apikey'
  const reads = request.method === 'GET' || request.method === 'HEAD'
  return found.role === 'viewer' && !reads ? 'invalid method for role viewer' : undefined
}

/** Whether a request comes with a key for everything. */
export function isAdmin(request: FastifyRequest, keys: readonly AdminKey[]): boolean {
  return match(givenKey(request) ?? '', keys)?.role === 'admin'
}
