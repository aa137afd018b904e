import { loggerPlugin } from '../logger/logger-plugin.ts'
import { sendUdp } from '../logger/sockets.ts'

/** Sends log entries as datagrams, one each. */
export const udpLogger = loggerPlugin({
  name: 'udp-logger',
  priority: 400,
  properties: {
    host: { type: 'string', minLength: 1 },
    port: { type: 'integer', minimum: 0, maximum: 65535 },
    timeout: { type: 'integer', minimum: 1, default: 3 },
  },
  required: ['host', 'port'],
  open(conf) {
    const receiver = { host: String(conf.host), port: Number(conf.port) }
    return async (entries) => {
      for (const entry of entries) await sendUdp(receiver, JSON.stringify(entry))
    }
  },
})
