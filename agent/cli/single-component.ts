// `plexus proxy|dns|gateway|overlay`: one component on its own, fed by its own watch cache.
import { hostname } from 'node:os'
import { Registry } from 'prom-client'
import { type NeedingComponent, openStore } from '#watch'
import { watchFiles } from '../changed-files.ts'
import type { Component } from '../component.ts'
import type { ComponentContext } from '../components.ts'
import { serveUntilSignal } from '../lifecycle.ts'
import { createLogger, type LogFormat, type LogLevel } from '../logging.ts'
import { clusterSource } from '../source.ts'
import { writeBackTo } from '../write-back.ts'
import { asConfiguration } from './usage-error.ts'

export interface SingleComponentOptions {
  readonly manifests?: readonly string[] | undefined
  readonly kubeconfig?: string | undefined
  readonly inCluster?: boolean | undefined
  /** API servers to use instead of the configured one */
  readonly apiServer?: readonly string[] | undefined
  readonly readyFile?: string | undefined
  /** file that keeps the last known state of a cluster, to begin with while its API server is away */
  readonly snapshot?: string | undefined
  readonly nodeName?: string | undefined
  /** Which component it is: only what it needs is watched. */
  readonly component?: NeedingComponent | undefined
  /** Files that configure the component: a change does what SIGHUP does. */
  readonly files?: readonly string[] | undefined
  readonly logLevel?: LogLevel | undefined
  readonly logFormat?: LogFormat | undefined
}

/** Opens the cache, starts the component, serves until SIGTERM. SIGHUP and SIGUSR1 reload the component, or restart it. */
export async function runSingleComponent(
  options: SingleComponentOptions,
  start: (context: ComponentContext) => Promise<Component>,
): Promise<never> {
  const { component: name, nodeName } = options
  const logger = createLogger({ level: options.logLevel, format: options.logFormat })
  const log = name === undefined ? logger : logger.child({ component: name })
  const components = name === undefined ? undefined : [name]
  const source = await asConfiguration(() => clusterSource(options, { components, nodeName, log }))
  const snapshot = options.snapshot === undefined ? undefined : { file: options.snapshot }
  const store = await asConfiguration(() => openStore({ source, log, nodeName, snapshot }))
  // A registry for each start: a component that is started again registers its metrics again.
  const writeBack = writeBackTo(source, {
    store: () => store,
    nodeName: nodeName ?? hostname().toLowerCase(),
    log,
  })
  const started = Promise.withResolvers<void>()
  let reloading = started.promise
  const reload = (): void => {
    reloading = reloading.then(restart).catch((error: unknown) => log.error({ err: error }, 'reload failed'))
  }
  // Before the files are read for the first time: no change is missed.
  const watcher = watchFiles(options.files ?? [], reload)
  let component = await start({ store, log, metrics: new Registry(), writeBack })
  log.info({ pid: process.pid }, 'component serves')
  started.resolve()
  async function restart(): Promise<void> {
    if (component.reload !== undefined) {
      await component.reload()
      return
    }
    await component.stop()
    component = await start({ store, log, metrics: new Registry(), writeBack })
    log.info('configuration reloaded')
  }
  await serveUntilSignal({
    readyFile: options.readyFile,
    log,
    onReload: reload,
    async stop() {
      watcher.close()
      await reloading
      await component.stop()
      await store.close()
    },
  })
  process.exit(0)
}
