// `plexus proxy|dns|gateway|overlay`: one component on its own, fed by its own watch cache.
import { Registry } from 'prom-client'
import { type NeedingComponent, openStore } from '#watch'
import type { Component } from '../component.ts'
import type { ComponentContext } from '../components.ts'
import { serveUntilSignal } from '../lifecycle.ts'
import { createLogger, type LogFormat, type LogLevel } from '../logging.ts'
import { clusterSource } from '../source.ts'
import { asConfiguration } from './usage-error.ts'

export interface SingleComponentOptions {
  readonly manifests?: readonly string[] | undefined
  readonly kubeconfig?: string | undefined
  readonly readyFile?: string | undefined
  readonly nodeName?: string | undefined
  /** Which component it is: only what it needs is watched. */
  readonly component?: NeedingComponent | undefined
  readonly logLevel?: LogLevel | undefined
  readonly logFormat?: LogFormat | undefined
}

/** Opens the cache, starts the component, serves until SIGTERM. SIGHUP restarts the component. */
export async function runSingleComponent(
  options: SingleComponentOptions,
  start: (context: ComponentContext) => Promise<Component>,
): Promise<never> {
  const log = createLogger({ level: options.logLevel, format: options.logFormat })
  const { component: name, nodeName } = options
  const components = name === undefined ? undefined : [name]
  const source = await asConfiguration(() => clusterSource(options, { components, nodeName, log }))
  const store = await asConfiguration(() => openStore({ source, log, nodeName }))
  // A registry for each start: a component that is started again registers its metrics again.
  let component = await start({ store, log, metrics: new Registry() })
  log.info({ component: component.name, pid: process.pid }, 'component serves')
  let reloading: Promise<void> = Promise.resolve()
  const restart = async (): Promise<void> => {
    await component.stop()
    component = await start({ store, log, metrics: new Registry() })
    log.info({ component: component.name }, 'configuration reloaded')
  }
  await serveUntilSignal({
    readyFile: options.readyFile,
    log,
    onReload: () => {
      reloading = reloading
        .then(restart)
        .catch((error: unknown) => log.error({ err: error }, 'reload failed'))
    },
    async stop() {
      await reloading
      await component.stop()
      await store.close()
    },
  })
  process.exit(0)
}
