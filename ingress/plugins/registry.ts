import { isObject } from '../objects/index.ts'
import { acl } from './acl/index.ts'
import { apiBreaker } from './api-breaker/index.ts'
import { attachConsumerLabel } from './attach-consumer-label/index.ts'
import { basicAuth } from './basic-auth/index.ts'
import { brotli } from './brotli/index.ts'
import { clickhouseLogger } from './clickhouse-logger/index.ts'
import { clientControl } from './client-control/index.ts'
import { consumerRestriction } from './consumer-restriction/index.ts'
import { cors } from './cors/index.ts'
import { csrf } from './csrf/index.ts'
import { datadog } from './datadog/index.ts'
import { degraphql } from './degraphql/index.ts'
import { echo } from './echo/index.ts'
import { elasticsearchLogger } from './elasticsearch-logger/index.ts'
import { errorPage } from './error-page/index.ts'
import { extPluginPostReq, extPluginPostResp, extPluginPreReq } from './ext-plugin/index.ts'
import { faultInjection } from './fault-injection/index.ts'
import { fileLogger } from './file-logger/index.ts'
import { forwardAuth } from './forward-auth/index.ts'
import { googleCloudLogging } from './google-cloud-logging/index.ts'
import { grpcTranscode } from './grpc-transcode/index.ts'
import { grpcWeb } from './grpc-web/index.ts'
import { gzip } from './gzip/index.ts'
import { hmacAuth } from './hmac-auth/index.ts'
import { httpLogger } from './http-logger/index.ts'
import { ipRestriction } from './ip-restriction/index.ts'
import { jweDecrypt } from './jwe-decrypt/index.ts'
import { jwtAuth } from './jwt-auth/index.ts'
import { keyAuth } from './key-auth/index.ts'
import { ldapAuth } from './ldap-auth/index.ts'
import { limitConn } from './limit-conn/index.ts'
import { limitCount } from './limit-count/index.ts'
import { limitReq } from './limit-req/index.ts'
import { loggly } from './loggly/index.ts'
import { lokiLogger } from './loki-logger/index.ts'
import { mocking } from './mocking/index.ts'
import { multiAuth } from './multi-auth/index.ts'
import { nodeStatus } from './node-status/index.ts'
import { opa } from './opa/index.ts'
import { openidConnect } from './openid-connect/index.ts'
import { opentelemetry } from './opentelemetry/index.ts'
import type { Plugin } from './plugin.ts'
import { prometheus } from './prometheus/index.ts'
import { proxyBuffering } from './proxy-buffering/index.ts'
import { proxyCache } from './proxy-cache/index.ts'
import { proxyControl } from './proxy-control/index.ts'
import { proxyMirror } from './proxy-mirror/index.ts'
import { proxyRewrite } from './proxy-rewrite/index.ts'
import { publicApi } from './public-api/index.ts'
import { realIp } from './real-ip/index.ts'
import { redirect } from './redirect/index.ts'
import { refererRestriction } from './referer-restriction/index.ts'
import { requestId } from './request-id/index.ts'
import { requestValidation } from './request-validation/index.ts'
import { responseRewrite } from './response-rewrite/index.ts'
import { serverInfo } from './server-info/index.ts'
import { skywalkingLogger } from './skywalking-logger/index.ts'
import { splunkHecLogging } from './splunk-hec-logging/index.ts'
import { syslog } from './syslog/index.ts'
import { tcpLogger } from './tcp-logger/index.ts'
import { trafficLabel } from './traffic-label/index.ts'
import { trafficSplit } from './traffic-split/index.ts'
import { uaRestriction } from './ua-restriction/index.ts'
import { udpLogger } from './udp-logger/index.ts'
import { uriBlocker } from './uri-blocker/index.ts'
import { wolfRbac } from './wolf-rbac/index.ts'
import { workflow } from './workflow/index.ts'
import { zipkin } from './zipkin/index.ts'

/** Every plugin there is, highest priority first. A new plugin is a folder and a line here. */
export const PLUGINS: readonly Plugin[] = [
  realIp,
  clientControl,
  proxyBuffering,
  proxyControl,
  requestId,
  zipkin,
  opentelemetry,
  extPluginPreReq,
  faultInjection,
  mocking,
  cors,
  ipRestriction,
  uaRestriction,
  refererRestriction,
  csrf,
  uriBlocker,
  requestValidation,
  multiAuth,
  openidConnect,
  wolfRbac,
  ldapAuth,
  hmacAuth,
  basicAuth,
  jwtAuth,
  jweDecrypt,
  keyAuth,
  acl,
  consumerRestriction,
  attachConsumerLabel,
  forwardAuth,
  opa,
  proxyCache,
  proxyMirror,
  proxyRewrite,
  workflow,
  apiBreaker,
  limitConn,
  limitCount,
  limitReq,
  nodeStatus,
  brotli,
  gzip,
  serverInfo,
  trafficLabel,
  trafficSplit,
  redirect,
  responseRewrite,
  degraphql,
  grpcTranscode,
  grpcWeb,
  publicApi,
  prometheus,
  datadog,
  errorPage,
  lokiLogger,
  elasticsearchLogger,
  echo,
  loggly,
  httpLogger,
  splunkHecLogging,
  skywalkingLogger,
  googleCloudLogging,
  tcpLogger,
  syslog,
  udpLogger,
  fileLogger,
  clickhouseLogger,
  extPluginPostReq,
  extPluginPostResp,
]

const AUTHENTICATION = new Set(
  PLUGINS.filter(({ consumerSchema }) => consumerSchema !== undefined).map(({ name }) => name),
)

/** Whether the plugin, switched on or not, is one by which consumers show who they are. */
export function isAuthentication(name: string): boolean {
  return AUTHENTICATION.has(name)
}

/**
 * The plugins switched on: all, or those of config.yaml's `plugins` list. Unknown names are returned apart. `attributes` is its
 * `plugin_attr`.
 */
export function selectPlugins(
  names: readonly string[] | undefined,
  attributes: Readonly<Record<string, unknown>>,
): {
  readonly registry: ReadonlyMap<string, Plugin>
  readonly unknown: readonly string[]
} {
  const chosen = names === undefined ? PLUGINS : PLUGINS.filter(({ name }) => names.includes(name))
  const registry = new Map(chosen.map((plugin) => [plugin.name, configured(plugin, attributes)]))
  const known = new Set(PLUGINS.map(({ name }) => name))
  return { registry, unknown: (names ?? []).filter((name) => !known.has(name)) }
}

/** The plugin with its attributes at hand for checks. */
function configured(plugin: Plugin, all: Readonly<Record<string, unknown>>): Plugin {
  const { check } = plugin
  if (check === undefined) return plugin
  const own = all[plugin.attributesOf ?? plugin.name]
  const attributes = isObject(own) ? own : {}
  return { ...plugin, check: (conf) => check(conf, attributes) }
}
