import { loggerPlugin, post } from '../logger/logger-plugin.ts'

interface Endpoint {
  readonly uri: string
  readonly token: string
  readonly channel?: string
  readonly timeout: number
}

/** Sends log entries to Splunk's HTTP event collector. */
export const splunkHecLogging = loggerPlugin({
  name: 'splunk-hec-logging',
  priority: 409,
  encryptFields: ['endpoint.token'],
  properties: {
    endpoint: {
      type: 'object',
      properties: {
        uri: { type: 'string', pattern: '^https?://' },
        token: { type: 'string' },
        channel: { type: 'string' },
        timeout: { type: 'integer', minimum: 1, default: 10 },
        keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      },
      required: ['uri', 'token'],
    },
    ssl_verify: { type: 'boolean', default: true },
  },
  required: ['endpoint'],
  open(conf) {
    const { uri: url, token, channel, timeout } = conf.endpoint as Endpoint
    const headers = {
      'Content-Type': 'application/json',
      Authorization: `Splunk ${token}`,
      ...(channel === undefined ? {} : { 'X-Splunk-Request-Channel': channel }),
    }
    const source = { source: 'apache-apisix-splunk-hec-logging', sourcetype: '_json' }
    return (entries) => {
      const body = entries
        .map((event) =>
          JSON.stringify({ time: Number(event.start_time ?? Date.now()) / 1000, ...source, event }),
        )
        .join('')
      return post({ url, headers, body, timeout, verify: conf.ssl_verify === true })
    }
  },
})
