// The node agent: one watch cache, and the components that read it.
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { type KubernetesSource, openStore, type Source, type Store } from '#watch'
import { watchFiles } from './changed-files.ts'
import { ClusterCache } from './cluster-cache.ts'
import type { Component } from './component.ts'
import { ComponentSet } from './component-set.ts'
import { componentDefinitions, enabledComponents, startOrder } from './components.ts'
import { type AgentConfiguration, loadConfiguration } from './configuration.ts'
import { controlAnswers } from './control-answers.ts'
import { startControlServer } from './control-server.ts'
import { ConfigurationError, messageOf } from './errors.ts'
import { startHealthServer } from './health-server.ts'
import { clusterSource } from './source.ts'
import { writeBackTo } from './write-back.ts'

/** Fields that a running agent does not take over. */
const needRestart = [
  'nodeName',
  'manifests',
  'kubeconfig',
  'inCluster',
  'apiServer',
  'snapshot',
  'health',
  'control',
] as const

export interface NodeAgent {
  readonly store: Store
  /** Reads the configuration file again and restarts the components whose section changed. */
  reload(): Promise<void>
  /** Stops the components in reverse order. What they programmed into the kernel stays. */
  stop(): Promise<void>
}

/** Checks every component's own configuration, so that a bad file ends the start with one clear line. */
export async function checkConfiguration(config: AgentConfiguration): Promise<void> {
  for (const name of enabledComponents(config)) await componentDefinitions[name].check(config)
}

/**
 * Starts the agent from its configuration file and resolves when every component has had its first attempt to start
 * (failed ones are retried; see /readyz).
 * @throws ConfigurationError, or a component's own configuration error, before anything was started.
 */
export async function startNodeAgent(file: string, log: Logger): Promise<NodeAgent> {
  let config = loadConfiguration(file)
  await checkConfiguration(config)

  const metrics = new Registry()
  // The default looks at the event loop a hundred times a second, all day.
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: 100 })
  const source = openSource(file, config, { log, metrics })
  const registries = new Map<string, Registry>([['agent', metrics]])

  const cache = new ClusterCache(source)
  const components: Component[] = [cache]
  // Before the store is open, so that an agent which waits for the API server can be asked why it is not ready.
  const health =
    config.health && (await startHealthServer({ listen: config.health.listen, components, registries }))
  const { nodeName, snapshot } = config
  const store = await openStore({
    source,
    log,
    metrics,
    nodeName,
    snapshot: snapshot === undefined ? undefined : { file: snapshot },
  }).catch((cause: unknown) => {
    throw new ConfigurationError(`${file}: ${messageOf(cause)}`, { file, cause })
  })
  cache.opened(store)
  const writeBack = writeBackTo(source, { store: () => store, nodeName, log })
  const set = new ComponentSet(config, { log, list: components, registries, context: { store, writeBack } })
  const control = await startControlServer({
    socket: config.control.socket,
    answers: controlAnswers({ nodeName: config.nodeName, store, components }),
  })
  // Before the files are read for the first time: no change is missed.
  let watcher = watchFiles(filesOf(file, config), () => void reload())
  let reloading = set.apply(config)
  const reload = (): Promise<void> => {
    reloading = reloading.then(async () => {
      const previous = config
      try {
        const next = loadConfiguration(file)
        await checkConfiguration(next)
        config = next
      } catch (error) {
        log.error({ err: error }, 'configuration not reloaded; the running one stays')
        return
      }
      for (const key of needRestart) {
        if (!isDeepStrictEqual(previous[key], config[key]))
          log.warn({ field: key }, 'this field takes effect when the agent is restarted')
      }
      watcher.close()
      watcher = watchFiles(filesOf(file, config), () => void reload())
      await set.apply(config)
      log.info({ file }, 'configuration reloaded')
    })
    return reloading
  }
  await reloading

  return {
    store,
    reload,
    async stop() {
      watcher.close()
      await reloading
      await set.stop()
      await Promise.all([control.close(), health?.close()]).catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'listener did not close'),
      )
      await store.close()
    },
  }
}

/** The files a change of which makes the agent read its configuration again. */
function filesOf(file: string, config: AgentConfiguration): string[] {
  const ofComponents = startOrder.flatMap((name) => {
    const { files, reloads } = componentDefinitions[name]
    return [...files(config), ...(reloads?.(config) ?? [])]
  })
  return [file, ...ofComponents]
}

function openSource(
  file: string,
  config: AgentConfiguration,
  context: { log: Logger; metrics: Registry },
): Source | KubernetesSource {
  try {
    return clusterSource(config, {
      ...context,
      nodeName: config.nodeName,
      components: enabledComponents(config),
    })
  } catch (cause) {
    throw new ConfigurationError(`${file}: ${messageOf(cause)}`, { file, cause })
  }
}
