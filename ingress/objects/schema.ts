import { address, common, desc, host, id, labels, plugins, stamp, timeout } from './schema-fields.ts'
import { UPSTREAM } from './schema-upstream.ts'
import type { Kind } from './types.ts'
import type { Schema } from './validator.ts'

export { SECRET_SCHEMAS } from './schema-secrets.ts'

// The schemas of APISIX's Admin API 3.x for what is supported here. Unknown properties are errors, as there.

const ROUTE: Schema = {
  type: 'object',
  properties: {
    ...common,
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
    ...common,
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
  properties: { ...common, plugins },
  required: ['plugins'],
  additionalProperties: false,
}

const CREDENTIAL: Schema = {
  type: 'object',
  properties: {
    ...common,
    plugins: { type: 'object', minProperties: 1, maxProperties: 1 },
  },
  required: ['plugins'],
  additionalProperties: false,
}

const STREAM_ROUTE: Schema = {
  type: 'object',
  properties: {
    ...common,
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
    ...common,
    content: { type: 'string', minLength: 1, maxLength: 1_048_576 },
  },
  required: ['content'],
  additionalProperties: false,
}

const pem: Schema = { type: 'string', minLength: 128, maxLength: 65_536 }
const sni: Schema = { type: 'string', pattern: '^\\*$|^\\*?[0-9a-zA-Z-._]+$' }

const SSL: Schema = {
  type: 'object',
  properties: {
    ...common,
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
        skip_mtls_uri_regex: {
          type: 'array',
          items: { type: 'string', minLength: 1 },
          minItems: 1,
          uniqueItems: true,
        },
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
