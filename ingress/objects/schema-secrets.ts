import type { Schema } from './validator.ts'

/** How a service account of Google Cloud is named: scopes that are asked for, and where the service is. */
export function googleAccountProperties(scopes: readonly string[], entries: string): Record<string, Schema> {
  return {
    auth_config: {
      type: 'object',
      properties: {
        client_email: { type: 'string' },
        private_key: { type: 'string' },
        project_id: { type: 'string' },
        token_uri: { type: 'string', default: 'https://oauth2.googleapis.com/token' },
        scope: { type: 'array', items: { type: 'string' }, default: scopes },
        entries_uri: { type: 'string', default: entries },
      },
      required: ['client_email', 'private_key', 'project_id'],
    },
    auth_file: { type: 'string' },
    ssl_verify: { type: 'boolean', default: true },
  }
}

const uri: Schema = { type: 'string', pattern: '^[^\\/]+:\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?' }

/** By the manager named in the path; others are refused there. */
export const SECRET_SCHEMAS: Readonly<Record<string, Schema>> = {
  vault: {
    type: 'object',
    properties: {
      uri,
      prefix: { type: 'string' },
      token: { type: 'string' },
      namespace: { type: 'string' },
      ssl_verify: { type: 'boolean', default: true },
    },
    required: ['uri', 'prefix', 'token'],
  },
  aws: {
    type: 'object',
    properties: {
      access_key_id: { type: 'string' },
      secret_access_key: { type: 'string' },
      session_token: { type: 'string' },
      region: { type: 'string', default: 'us-east-1' },
      endpoint_url: uri,
    },
    required: ['access_key_id', 'secret_access_key'],
  },
  gcp: {
    type: 'object',
    properties: googleAccountProperties(
      ['https://www.googleapis.com/auth/cloud-platform'],
      'https://secretmanager.googleapis.com/v1',
    ),
    oneOf: [{ required: ['auth_config'] }, { required: ['auth_file'] }],
  },
}
