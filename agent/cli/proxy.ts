// `plexus proxy`: kube-proxy's command line, and --manifests.
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { stringify } from 'yaml'
import { createLogger } from '../logging.ts'
import { runSingleComponent, type SingleComponentOptions } from './single-component.ts'
import { requireSource, sourceOf } from './source-options.ts'
import { asConfiguration } from './usage-error.ts'

export interface ProxyCommandOptions extends SingleComponentOptions {
  readonly nodeName?: string | undefined
  readonly config?: string | undefined
  readonly cleanup?: boolean | undefined
}

/** `rest` are the arguments that are not ours: kube-proxy's flags. */
export async function runProxyCommand(options: ProxyCommandOptions, rest: readonly string[]): Promise<void> {
  const { applyConntrackSettings, cleanup, KUBE_PROXY_LISTENERS, loadProxyConfiguration, ...proxy } =
    await import('#proxy')
  const flags = await asConfiguration(() => proxy.parseProxyFlags(rest))
  if (options.cleanup === true) return cleanup()
  const log = createLogger({ level: options.logLevel, format: options.logFormat })
  for (const warning of flags.warnings) log.warn(warning)
  if (options.config !== undefined && flags.overruled.length > 0)
    log.warn({ flags: flags.overruled }, 'these flags have no effect beside --config')
  // As kube-proxy: the file is all there is, but for the host name.
  const load = () => {
    if (options.config === undefined) return flags.config
    const config = loadProxyConfiguration(options.config, { log, listeners: KUBE_PROXY_LISTENERS })
    return flags.hostnameOverride === '' ? config : { ...config, hostnameOverride: flags.hostnameOverride }
  }
  let config = await asConfiguration(load)
  if (flags.writeConfigTo !== undefined) {
    writeFileSync(flags.writeConfigTo, stringify(proxy.toDocument(config)))
    return
  }
  if (flags.initOnly) return applyConntrackSettings(config.conntrack, { log })
  const { kubeconfig } = config.clientConnection
  const source = sourceOf(options, {
    kubeconfig: kubeconfig === '' ? undefined : kubeconfig,
    apiServer: flags.master,
    flag: '--master',
  })
  requireSource(source)
  const nodeName = config.hostnameOverride || (options.nodeName ?? hostname().toLowerCase())
  let started = false
  const reload = (): void => {
    if (!started) return
    try {
      config = load()
    } catch (error) {
      log.error({ err: error }, 'the configuration is not taken over; the last good one stays')
    }
  }
  const files = options.config === undefined ? [] : [options.config]
  await runSingleComponent({ ...options, ...source, nodeName, component: 'proxy', files }, (context) => {
    reload()
    started = true
    return proxy.startProxy({
      ...context,
      nodeName,
      config,
      recordEvent: context.writeBack?.recordEvent,
    })
  })
}
