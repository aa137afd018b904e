/** Runs the Corefile given as argument over a small cluster, in the namespace it is started in. */
import { pino } from 'pino'
import { startDns } from '#dns'
import { memorySource, openStore } from '#watch'

const log = pino({ level: 'info' }, pino.destination(2))
const source = memorySource({ standalone: false })
source.apply({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'catalog' },
  spec: { clusterIP: '10.96.0.20', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
})
const store = await openStore({ source, log })
const dns = await startDns({ corefile: process.argv[2], store, log })
process.stdout.write('ready\n')
process.once('SIGTERM', () => {
  void dns.stop().then(() => process.exit(0))
})
