// What every long-running command shares: a ready file, SIGTERM/SIGINT to stop with exit code 0, SIGHUP or SIGUSR1 to reload.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import type { Logger } from 'pino'

const hardStopAfter = 20_000

export interface Lifecycle {
  /** Written (atomically) once the command serves, removed when it stops. */
  readonly readyFile?: string | undefined
  readonly log: Logger
  readonly onReload?: (() => void) | undefined
  readonly stop: () => Promise<void>
}

/** Marks the process ready, then waits for SIGTERM or SIGINT, stops gracefully and resolves. A second signal exits at once. */
export async function serveUntilSignal({ readyFile, log, onReload, stop }: Lifecycle): Promise<void> {
  if (readyFile !== undefined) writeReadyFile(readyFile)
  // By itself it is written at the end, which a killed process does not come to.
  flushCompileCache()
  // SIGUSR1 is CoreDNS's signal for it.
  for (const name of ['SIGHUP', 'SIGUSR1'] as const) process.on(name, () => onReload?.())
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve)
  })
  log.info({ signal }, 'stopping')
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => process.exit(1))
  setTimeout(() => {
    log.error({ afterMs: hardStopAfter }, 'did not stop in time')
    process.exit(1)
  }, hardStopAfter).unref()
  if (readyFile !== undefined) rmSync(readyFile, { force: true })
  await stop()
}

function writeReadyFile(path: string): void {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${process.pid}\n`)
  renameSync(temporary, path)
}
