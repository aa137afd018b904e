import { loggerPlugin } from '../logger/logger-plugin.ts'
import { sendTcp } from '../logger/sockets.ts'

/** Sends log entries to a TCP server, one JSON line each. */
export const tcpLogger = loggerPlugin({
  name: 'tcp-logger',
  priority: 405,
  properties: {
    host: { type: 'string', minLength: 1 },
    port: { type: 'integer', minimum: 0, maximum: 65535 },
    tls: { type: 'boolean', default: false },
    tls_options: { type: 'string' },
    timeout: { type: 'integer', minimum: 1, default: 1000 },
  },
  required: ['host', 'port'],
  open(conf) {
    const receiver = {
      host: String(conf.host),
      port: Number(conf.port),
      timeoutMs: Number(conf.timeout),
      tls: conf.tls === true,
      servername: conf.tls_options === undefined ? undefined : String(conf.tls_options),
    }
    return (entries) => sendTcp(receiver, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  },
})
