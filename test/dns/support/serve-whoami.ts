/** Runs a server without `bind` on port 5353 of the namespace it is started in. */
import { pino } from 'pino'
import { startDns } from '#dns'

const dns = await startDns({
  corefile: { text: '. {\n whoami\n}' },
  port: 5353,
  log: pino({ level: 'silent' }),
})
process.stdout.write('ready\n')
process.once('SIGTERM', () => void dns.stop().then(() => process.exit(0)))
