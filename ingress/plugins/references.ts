import { isObject } from '../objects/index.ts'

const ENVIRONMENT = /^\$(?:env|ENV):\/\/([A-Za-z_]\w*)(?:\/(.+))?$/

/** A reference in a configuration that leads nowhere. */
export class UnresolvedReference extends Error {
  readonly code = 'GW_REFERENCE'
}

/** The configuration with `$env://NAME` (or `$env://NAME/key`, of a JSON object) replaced by what the environment says. */
export function resolveReferences<T>(value: T): T {
  return resolve(value) as T
}

function resolve(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith('$') ? resolveText(value) : value
  if (Array.isArray(value)) return value.map(resolve)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, resolve(one)]))
}

function resolveText(text: string): string {
  const match = ENVIRONMENT.exec(text)
  if (match === null) return text
  const [, name = '', key] = match
  const found = process.env[name]
  if (found === undefined) throw new UnresolvedReference(`environment variable ${name} is not set`)
  if (key === undefined) return found
  const decoded: unknown = JSON.parse(found)
  const part = isObject(decoded) ? decoded[key] : undefined
  if (typeof part !== 'string') throw new UnresolvedReference(`environment variable ${name} has no ${key}`)
  return part
}

/** A sentence if something refers to a secret manager: text that looks like a password must not become one. */
export function checkReferences(value: unknown): string | undefined {
  return /"\$secret:\/\//.test(JSON.stringify(value))
    ? 'secret managers ($secret://) are not available, use $env://'
    : undefined
}
