import { isObject } from '../objects/index.ts'
import { jsonField } from './json-field.ts'

const SECRET = '$secret://'
const MANAGERS = ['vault', 'aws', 'gcp']
const ENVIRONMENT = /^\$env:\/\/([A-Za-z_]\w*)(?:\/(.+))?$/i

/** A reference in a configuration that leads nowhere. */
export class UnresolvedReference extends Error {
  readonly code = 'GW_REFERENCE'
}

/**
 * The configuration with `$env://NAME` (or `$env://NAME/key`, of a JSON object) replaced by what the environment says, and
 * `$secret://...` by what `secret` gives for it. Throws UnresolvedReference.
 */
export function resolveReferences<T>(value: T, secret: (reference: string) => string): T {
  const resolve = (one: unknown): unknown => {
    if (typeof one === 'string') {
      if (!one.startsWith('$')) return one
      return one.startsWith(SECRET) ? secret(one) : resolveEnvironment(one)
    }
    if (Array.isArray(one)) return one.map(resolve)
    if (!isObject(one)) return one
    return Object.fromEntries(Object.entries(one).map(([name, part]) => [name, resolve(part)]))
  }
  return resolve(value) as T
}

function resolveEnvironment(text: string): string {
  const match = ENVIRONMENT.exec(text)
  if (match === null) return text
  const [, name = '', key] = match
  const found = process.env[name]
  if (found === undefined) throw new UnresolvedReference(`environment variable ${name} is not set`)
  if (key === undefined) return found
  const part = jsonField(found, key)
  if (part === undefined) throw new UnresolvedReference(`environment variable ${name} has no ${key}`)
  return part
}

/** Takes `$secret://vault/1/path/key` apart: the manager's object is `vault/1`. Throws UnresolvedReference. */
export function parseSecretReference(reference: string): { readonly manager: string; readonly key: string } {
  const match = /^\$secret:\/\/([^/]+)\/([^/]+)\/(.+)$/.exec(reference)
  if (match === null)
    throw new UnresolvedReference(`${reference} is not $secret://<manager>/<id>/<path>/<key>`)
  const [, name = '', id = '', key = ''] = match
  if (!MANAGERS.includes(name)) throw new UnresolvedReference(`secret manager ${name} is not available`)
  return { manager: `${name}/${id}`, key }
}

/** Whether there is a `$secret://` anywhere in a value. */
export function refersToSecret(value: unknown): boolean {
  if (typeof value === 'string') return value.startsWith(SECRET)
  if (Array.isArray(value)) return value.some(refersToSecret)
  return isObject(value) && Object.values(value).some(refersToSecret)
}

/** A sentence if a reference to a secret manager cannot lead anywhere: it must not become a password itself. */
export function checkReferences(value: unknown): string | undefined {
  try {
    checkSecrets(value)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function checkSecrets(value: unknown): void {
  if (typeof value === 'string' && value.startsWith(SECRET)) parseSecretReference(value)
  else if (Array.isArray(value)) value.forEach(checkSecrets)
  else if (isObject(value)) Object.values(value).forEach(checkSecrets)
}
