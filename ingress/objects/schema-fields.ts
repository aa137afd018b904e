import type { Schema } from './validator.ts'

// Fields that several kinds of object have.

export const id: Schema = {
  anyOf: [
    { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-_.]+$' },
    { type: 'integer', minimum: 1 },
  ],
}
export const name: Schema = { type: 'string', minLength: 1, maxLength: 256 }
export const desc: Schema = { type: 'string', maxLength: 256 }
export const labels: Schema = {
  type: 'object',
  patternProperties: { '.*': { type: 'string', pattern: '^\\S+$', minLength: 1, maxLength: 256 } },
}
export const stamp: Schema = { type: 'integer' }
export const plugins: Schema = { type: 'object' }
export const seconds: Schema = { type: 'number', exclusiveMinimum: 0 }
export const timeout: Schema = {
  type: 'object',
  properties: { connect: seconds, send: seconds, read: seconds },
  required: ['connect', 'send', 'read'],
}
export const host: Schema = { type: 'string', pattern: '^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$' }
/** A client's or server's address or range. */
export const address: Schema = {
  type: 'string',
  anyOf: [
    { type: 'string', format: 'ipv4' },
    { type: 'string', pattern: '^[0-9]+([.][0-9]+){3}/([12]?[0-9]|3[0-2])$' },
    { type: 'string', format: 'ipv6' },
    { type: 'string', pattern: '^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]{1,3}$' },
  ],
}
export const weight: Schema = { type: 'integer', minimum: 0 }
export const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 }

/** What nearly every kind has. */
export const common = { id, name, desc, labels, create_time: stamp, update_time: stamp } as const
