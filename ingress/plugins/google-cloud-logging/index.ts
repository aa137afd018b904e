import type { RequestContext } from '../../dataplane/context.ts'
import { googleAccountProperties, isObject, type JsonObject } from '../../objects/index.ts'
import { type GoogleAccountConf, GoogleTokens, readAccount } from '../google-account.ts'
import { loggerPlugin, post } from '../logger/logger-plugin.ts'

const SCOPES = [
  'https://www.googleapis.com/auth/logging.read',
  'https://www.googleapis.com/auth/logging.write',
  'https://www.googleapis.com/auth/logging.admin',
  'https://www.googleapis.com/auth/cloud-platform',
]
const ENTRIES = 'https://logging.googleapis.com/v2/entries:write'
const TIMEOUT_S = 10

/** Sends log entries to Google Cloud Logging. */
export const googleCloudLogging = loggerPlugin({
  name: 'google-cloud-logging',
  priority: 407,
  encryptFields: ['auth_config.private_key'],
  properties: {
    ...googleAccountProperties(SCOPES, ENTRIES),
    resource: {
      type: 'object',
      properties: { type: { type: 'string' }, labels: { type: 'object' } },
      required: ['type'],
      default: { type: 'global' },
    },
    log_id: { type: 'string', default: 'apisix.apache.org%2Flogs' },
  },
  check({ auth_config: account, auth_file: file }) {
    if ((account === undefined) !== (file === undefined)) return undefined
    const matches = file === undefined ? 'matches none' : 'matches both schemas 1 and 2'
    return `value should match only one schema, but ${matches}`
  },
  shape: (entry, context, { conf, custom }) => ({
    ...(custom ? { jsonPayload: entry } : described(entry, context)),
    labels: { source: 'apache-apisix-google-cloud-logging' },
    timestamp: new Date().toISOString(),
    resource: conf.resource,
    insertId: context.requestId,
  }),
  open(conf) {
    const tokens = new GoogleTokens()
    const own = conf as GoogleAccountConf
    const verify = own.ssl_verify ?? true
    return async (entries) => {
      const account = await readAccount(own, { scope: SCOPES, entries_uri: ENTRIES })
      const logName = `projects/${account.project_id}/logs/${String(conf.log_id)}`
      const body = { entries: entries.map((entry) => ({ ...entry, logName })), partialSuccess: false }
      await post({
        url: account.entries_uri,
        headers: {
          'Content-Type': 'application/json',
          Authorization: await tokens.authorization(account, { verify }),
        },
        body: JSON.stringify(body),
        timeout: TIMEOUT_S,
        verify,
      })
    }
  },
})

/** What of the default entry Google has names for, or leaves out as APISIX does. */
const KNOWN: ReadonlySet<string> = new Set([
  'client_ip',
  'request',
  'response',
  'server',
  'upstream',
  'consumer',
  'start_time',
  'latency',
  'upstream_latency',
  'apisix_latency',
])

function described(entry: JsonObject, { exchange }: RequestContext): JsonObject {
  const { request, response, client_ip: remoteIp, upstream: serverIp, latency } = entry
  const { method, url, size } = isObject(request) ? request : {}
  return {
    httpRequest: {
      requestMethod: method,
      requestUrl: url,
      requestSize: size,
      status: exchange.status,
      responseSize: isObject(response) ? response.size : undefined,
      userAgent: exchange.headers.get('user-agent'),
      remoteIp,
      serverIp,
      latency: `${(Number(latency) / 1000).toFixed(3)}s`,
    },
    jsonPayload: Object.fromEntries(Object.entries(entry).filter(([name]) => !KNOWN.has(name))),
  }
}
