import { hostname } from 'node:os'
import { loggerPlugin } from '../logger/logger-plugin.ts'
import { sendTcp, sendUdp } from '../logger/sockets.ts'

// RFC 5424: facility 5 (syslog), severity 6 (informational).
const PRIORITY = 46
const HOST = hostname()

/** Sends log entries to a syslog server (RFC 5424). */
export const syslog = loggerPlugin({
  name: 'syslog',
  priority: 401,
  properties: {
    host: { type: 'string', minLength: 1 },
    port: { type: 'integer', minimum: 0, maximum: 65535 },
    sock_type: { type: 'string', enum: ['tcp', 'udp'], default: 'tcp' },
    tls: { type: 'boolean', default: false },
    timeout: { type: 'integer', minimum: 1, default: 3000 },
    flush_limit: { type: 'integer', minimum: 1, default: 4096 },
    drop_limit: { type: 'integer', default: 1_048_576 },
    pool_size: { type: 'integer', minimum: 5, default: 5 },
  },
  required: ['host', 'port'],
  open(conf) {
    const receiver = {
      host: String(conf.host),
      port: Number(conf.port),
      timeoutMs: Number(conf.timeout),
      tls: conf.tls === true,
    }
    const line = (entry: object) =>
      `<${PRIORITY}>1 ${new Date().toISOString()} ${HOST} apisix ${process.pid} - - ${JSON.stringify(entry)}\n`
    return async (entries) => {
      if (conf.sock_type === 'tcp') await sendTcp(receiver, entries.map(line).join(''))
      else for (const entry of entries) await sendUdp(receiver, line(entry))
    }
  },
})
