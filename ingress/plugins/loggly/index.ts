import type { JsonObject, Schema } from '../../objects/index.ts'
import { loggerPlugin, post } from '../logger/logger-plugin.ts'
import { sendUdp } from '../logger/sockets.ts'

const SEVERITIES: Readonly<Record<string, number>> = {
  EMEGR: 0,
  ALERT: 1,
  CRIT: 2,
  ERR: 3,
  WARNING: 4,
  NOTICE: 5,
  INFO: 6,
  DEBUG: 7,
}
const INFO = 6
const SEVERITY: Schema = {
  type: 'string',
  enum: Object.keys(SEVERITIES).flatMap((name) => [name, name.toLowerCase()]),
}
/** Loggly's number among private enterprises. */
const ENTERPRISE = 41_058
/** Facility "user-level messages" of RFC 5424 §6.2.1. */
const USER = 1

interface Metadata {
  readonly host?: string
  readonly port?: number
  readonly protocol?: 'syslog' | 'http' | 'https'
  readonly timeout?: number
}

/** Sends log entries to SolarWinds Loggly, as syslog datagrams or to its bulk endpoint. */
export const loggly = loggerPlugin({
  name: 'loggly',
  priority: 411,
  encryptFields: ['customer_token'],
  properties: {
    customer_token: { type: 'string' },
    severity: { ...SEVERITY, default: 'INFO' },
    severity_map: {
      type: 'object',
      patternProperties: { '^[1-5][0-9]{2}$': SEVERITY },
      additionalProperties: false,
    },
    tags: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', pattern: '^(?!tag=)[ -~]*' },
      default: ['apisix'],
    },
    ssl_verify: { type: 'boolean', default: true },
  },
  required: ['customer_token'],
  metadataProperties: {
    host: { type: 'string', default: 'logs-01.loggly.com' },
    port: { type: 'integer', default: 514 },
    protocol: { type: 'string', enum: ['syslog', 'http', 'https'], default: 'syslog' },
    timeout: { type: 'integer', minimum: 1, default: 5000 },
  },
  shape: (entry, context, { conf }) => ({
    entry,
    host: context.host,
    time: new Date().toISOString(),
    severity: severityOf(conf, context.exchange.status),
  }),
  open(conf, environment) {
    const tags = conf.tags as readonly string[]
    const token = String(conf.customer_token)
    return async (entries) => {
      const metadata: Metadata = environment.metadata()
      const { host = 'logs-01.loggly.com', port = 514, protocol = 'syslog', timeout = 5000 } = metadata
      if (protocol === 'syslog') {
        for (const one of entries) await sendUdp({ host, port }, message(one, token, tags))
        return
      }
      await post({
        url: `${host.startsWith('http') ? host : `${protocol}://${host}`}/bulk/${token}/tag/bulk`,
        headers: { 'Content-Type': 'application/json', 'X-LOGGLY-TAG': tags.join(',') },
        body: entries.map(({ entry }) => JSON.stringify(entry)).join('\n'),
        timeout: timeout / 1000,
        verify: conf.ssl_verify === true,
      })
    }
  },
})

function severityOf({ severity, severity_map: map }: JsonObject, status: number): number {
  const name = (map as Readonly<Record<string, string>> | undefined)?.[String(status)] ?? String(severity)
  return SEVERITIES[name.toUpperCase()] ?? INFO
}

/** RFC 5424, with the customer's token and the tags as structured data. */
function message(
  { entry, host, time, severity }: JsonObject,
  token: string,
  tags: readonly string[],
): string {
  const data = [`${token}@${ENTERPRISE}`, ...tags.map((tag) => `tag="${tag}"`)].join(' ')
  const priority = USER * 8 + Number(severity)
  return `<${priority}>1 ${time} ${host || '-'} apisix ${process.pid} - [${data}] ${JSON.stringify(entry)}`
}
