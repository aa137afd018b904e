// A tiny agent: the CNI server alone, in the network namespace this process was started in.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import pino from 'pino'
import { Registry } from 'prom-client'
import { startCniServer } from '#cni'

const [socketPath = '', readyFile = ''] = process.argv.slice(2)
const metrics = new Registry()
const trouble = `${socketPath}.trouble`
const component = await startCniServer({
  socketPath,
  log: pino(pino.destination(2)),
  metrics,
  overlayTrouble: () => (existsSync(trouble) ? readFileSync(trouble, 'utf8') : undefined),
})
writeFileSync(readyFile, `${process.pid}`)
process.on('SIGTERM', async () => {
  await component.stop()
  process.exit(0)
})
process.on('SIGUSR1', async () => writeFileSync(`${readyFile}.metrics`, await metrics.metrics()))
