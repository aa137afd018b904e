import { CHECKS } from './schema-checks.ts'
import { common, host, id, port, timeout, weight } from './schema-fields.ts'
import type { Schema } from './validator.ts'

const nodes: Schema = {
  anyOf: [
    { type: 'object', patternProperties: { '.*': weight } },
    {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          host,
          port,
          weight,
          priority: { type: 'integer', default: 0 },
          metadata: { type: 'object' },
        },
        required: ['host', 'weight'],
      },
    },
  ],
}

export const UPSTREAM: Schema = {
  type: 'object',
  properties: {
    ...common,
    nodes,
    type: { type: 'string', enum: ['chash', 'roundrobin', 'ewma', 'least_conn'], default: 'roundrobin' },
    hash_on: {
      type: 'string',
      enum: ['vars', 'header', 'cookie', 'consumer', 'vars_combinations'],
      default: 'vars',
    },
    key: { type: 'string' },
    scheme: {
      type: 'string',
      enum: ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'udp', 'kafka'],
      default: 'http',
    },
    pass_host: { type: 'string', enum: ['pass', 'node', 'rewrite'], default: 'pass' },
    upstream_host: host,
    retries: { type: 'integer', minimum: 0 },
    retry_timeout: { type: 'number', minimum: 0 },
    slow_start: { type: 'number', minimum: 0 },
    timeout,
    checks: CHECKS,
    tls: {
      type: 'object',
      properties: {
        client_cert: { type: 'string', minLength: 128 },
        client_key: { type: 'string', minLength: 32 },
        client_cert_id: id,
        verify: { type: 'boolean', default: false },
      },
      dependencies: {
        client_cert: { required: ['client_key'] },
        client_key: { required: ['client_cert'] },
        client_cert_id: { not: { required: ['client_cert', 'client_key'] } },
      },
      additionalProperties: false,
    },
    keepalive_pool: {
      type: 'object',
      properties: {
        size: { type: 'integer', minimum: 1, default: 320 },
        idle_timeout: { type: 'number', minimum: 0, default: 60 },
        requests: { type: 'integer', minimum: 1, default: 1000 },
      },
    },
    service_name: { type: 'string', minLength: 1, maxLength: 256 },
    discovery_type: { type: 'string' },
    discovery_args: { type: 'object' },
  },
  oneOf: [{ required: ['nodes'] }, { required: ['service_name', 'discovery_type'] }],
  additionalProperties: false,
}
