import { CHECKS } from './schema-checks.ts'
import type { Kind } from './types.ts'
import type { Schema } from './validator.ts'

// The schemas of APISIX's Admin API 3.x for what is supported here. Unknown properties are errors, as there.

const id: Schema = {
  anyOf: [
    { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-_.]+$' },
    { type: 'integer', minimum: 1 },
  ],
}
const name: Schema = { type: 'string', minLength: 1, maxLength: 256 }
const desc: Schema = { type: 'string', maxLength: 256 }
const labels: Schema = {
  type: 'object',
  patternProperties: { '.*': { type: 'string', pattern: '^\\S+$', minLength: 1, maxLength: 256 } },
}
const stamp: Schema = { type: 'integer' }
const plugins: Schema = { type: 'object' }
const seconds: Schema = { type: 'number', exclusiveMinimum: 0 }
const timeout: Schema = {
  type: 'object',
  properties: { connect: seconds, send: seconds, read: seconds },
  required: ['connect', 'send', 'read'],
}
const host: Schema = { type: 'string', pattern: '^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$' }
const address: Schema = { type: 'string', minLength: 1 }
const weight: Schema = { type: 'integer', minimum: 0 }
const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 }

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
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
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
        verify: { type: 'boolean', default: false },
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

const ROUTE: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    uri: { type: 'string', minLength: 1, maxLength: 4096 },
    uris: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, uniqueItems: true },
    priority: { type: 'integer', default: 0 },
    methods: {
      type: 'array',
      items: {
        type: 'string',
        enum: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', 'PURGE'],
      },
      uniqueItems: true,
    },
    host,
    hosts: { type: 'array', items: host, minItems: 1, uniqueItems: true },
    remote_addr: address,
    remote_addrs: { type: 'array', items: address, minItems: 1, uniqueItems: true },
    timeout,
    vars: { type: 'array' },
    filter_func: { type: 'string', minLength: 10, pattern: '^function' },
    plugins,
    plugin_config_id: id,
    upstream: UPSTREAM,
    upstream_id: id,
    service_id: id,
    enable_websocket: { type: 'boolean' },
    status: { type: 'integer', enum: [1, 0], default: 1 },
  },
  oneOf: [{ required: ['uri'] }, { required: ['uris'] }],
  anyOf: [
    { required: ['plugins'] },
    { required: ['upstream'] },
    { required: ['upstream_id'] },
    { required: ['service_id'] },
  ],
  additionalProperties: false,
}

const SERVICE: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    plugins,
    upstream: UPSTREAM,
    upstream_id: id,
    enable_websocket: { type: 'boolean' },
    hosts: { type: 'array', items: host, minItems: 1, uniqueItems: true },
  },
  additionalProperties: false,
}

const CONSUMER: Schema = {
  type: 'object',
  properties: {
    username: { type: 'string', minLength: 1, maxLength: 256, pattern: '^[a-zA-Z0-9_\\-]+$' },
    group_id: id,
    plugins,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
  },
  required: ['username'],
  additionalProperties: false,
}

const WITH_PLUGINS: Schema = {
  type: 'object',
  properties: { id, name, desc, labels, create_time: stamp, update_time: stamp, plugins },
  required: ['plugins'],
  additionalProperties: false,
}

const CREDENTIAL: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    plugins: { type: 'object', minProperties: 1, maxProperties: 1 },
  },
  required: ['plugins'],
  additionalProperties: false,
}

const STREAM_ROUTE: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    remote_addr: address,
    server_addr: address,
    server_port: { type: 'integer', minimum: 1, maximum: 65535 },
    sni: host,
    upstream: UPSTREAM,
    upstream_id: id,
    service_id: id,
    plugins,
  },
  additionalProperties: false,
}

const PROTO: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    content: { type: 'string', minLength: 1, maxLength: 1_048_576 },
  },
  required: ['content'],
  additionalProperties: false,
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
}

const pem: Schema = { type: 'string', minLength: 128, maxLength: 65_536 }
const sni: Schema = { type: 'string', pattern: '^\\*$|^\\*?[0-9a-zA-Z-._]+$' }

const SSL: Schema = {
  type: 'object',
  properties: {
    id,
    name,
    desc,
    labels,
    create_time: stamp,
    update_time: stamp,
    type: { type: 'string', enum: ['server', 'client'], default: 'server' },
    sni,
    snis: { type: 'array', items: sni, minItems: 1 },
    cert: pem,
    key: { type: 'string', minLength: 32, maxLength: 65_536 },
    certs: { type: 'array', items: pem },
    keys: { type: 'array', items: { type: 'string', minLength: 32, maxLength: 65_536 } },
    client: {
      type: 'object',
      properties: {
        ca: pem,
        depth: { type: 'integer', minimum: 0, default: 1 },
      },
      required: ['ca'],
      additionalProperties: false,
    },
    ssl_protocols: {
      type: 'array',
      items: { type: 'string', enum: ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] },
      minItems: 1,
      uniqueItems: true,
    },
    status: { type: 'integer', enum: [1, 0], default: 1 },
  },
  required: ['cert', 'key'],
  additionalProperties: false,
}

export const SCHEMAS: Readonly<Record<Kind, Schema>> = {
  routes: ROUTE,
  services: SERVICE,
  upstreams: UPSTREAM,
  consumers: CONSUMER,
  plugin_configs: WITH_PLUGINS,
  global_rules: WITH_PLUGINS,
  plugin_metadata: { type: 'object' },
  ssls: SSL,
  credentials: CREDENTIAL,
  consumer_groups: WITH_PLUGINS,
  stream_routes: STREAM_ROUTE,
  protos: PROTO,
  secrets: { type: 'object' },
}
