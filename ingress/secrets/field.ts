import { jsonField } from '../plugins/json-field.ts'

/** How long a manager may take to answer. */
export const SECRET_TIMEOUT_MS = 5000

/** A field of a secret that is a JSON object; with an empty name the secret itself. Throws if there is no such field. */
export function fieldOf(secret: string, name: string): string {
  const value = name === '' ? secret : jsonField(secret, name)
  if (value === undefined) throw new Error(`the secret has no field ${name}`)
  return value
}
