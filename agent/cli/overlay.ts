// `plexus overlay`: flannel's command line, and --manifests.
import { watchFiles } from '../changed-files.ts'
import { createLogger } from '../logging.ts'
import { runSingleComponent, type SingleComponentOptions } from './single-component.ts'
import { requireSource } from './source-options.ts'
import { asConfiguration, UsageError } from './usage-error.ts'

export interface OverlayCommandOptions extends SingleComponentOptions {
  readonly nodeName?: string | undefined
  readonly netConf?: string | undefined
}

/** `rest` are the arguments that are not ours: flannel's flags. */
export async function runOverlayCommand(
  options: OverlayCommandOptions,
  rest: readonly string[],
): Promise<void> {
  const { loadNetConf, parseOverlayFlags, startOverlay } = await import('#cni')
  const flags = await asConfiguration(() => parseOverlayFlags(rest, process.env))
  const { subnetFile, settings } = flags
  const nodeName = options.nodeName ?? flags.nodeName
  const netConfFile = options.netConf ?? flags.netConf
  if (nodeName === undefined) throw new UsageError('--node-name is missing, and so is NODE_NAME')
  const kubeconfig = options.kubeconfig ?? flags.kubeconfig
  const source = { ...options, kubeconfig, nodeName, component: 'overlay' } as const
  requireSource(source)
  const log = createLogger({ level: options.logLevel, format: options.logFormat })
  for (const warning of flags.warnings) log.warn(warning)
  let netConf = await asConfiguration(() => loadNetConf(netConfFile))
  const reload = (): void => {
    try {
      netConf = loadNetConf(netConfFile)
    } catch (error) {
      log.error({ err: error }, 'net-conf.json is not taken over; the last good one stays')
    }
  }
  let started = false
  await runSingleComponent(source, async (context) => {
    reload()
    const overlay = await startOverlay({ ...context, ...settings, nodeName, netConf, subnetFile })
    // What SIGHUP does: the overlay is started anew, and what it finds in place stays.
    if (!started) watchFiles([netConfFile], () => process.kill(process.pid, 'SIGHUP'))
    started = true
    return overlay
  })
}
