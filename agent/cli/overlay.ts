// `plexus overlay`: flannel's command line, and --manifests.
import { createLogger } from '../logging.ts'
import { nodeOfPod } from './overlay-node.ts'
import { runSingleComponent, type SingleComponentOptions } from './single-component.ts'
import { requireSource, sourceOf } from './source-options.ts'
import { asConfiguration, UsageError } from './usage-error.ts'

export interface OverlayCommandOptions extends SingleComponentOptions {
  readonly nodeName?: string | undefined
  readonly netConf?: string | undefined
  readonly cleanup?: boolean | undefined
}

/** `rest` are the arguments that are not ours: flannel's flags. */
export async function runOverlayCommand(
  options: OverlayCommandOptions,
  rest: readonly string[],
): Promise<void> {
  const { cleanUpOverlay, loadNetConf, parseOverlayFlags, startOverlay } = await import('#cni')
  const flags = await asConfiguration(() => parseOverlayFlags(rest, process.env))
  const { subnetFile, settings } = flags
  if (options.cleanup === true) {
    for (const change of cleanUpOverlay(subnetFile)) process.stdout.write(`${change}\n`)
    return
  }
  const netConfFile = options.netConf ?? flags.netConf
  const where = sourceOf(options, { ...flags, flag: '--kube-api-url' })
  const named = options.nodeName ?? flags.nodeName
  const { pod } = flags
  if (named === undefined && (pod === undefined || where.manifests !== undefined))
    throw new UsageError('--node-name is missing, and so is NODE_NAME')
  requireSource(where)
  const log = createLogger({ level: options.logLevel, format: options.logFormat })
  for (const warning of flags.warnings) log.warn(warning)
  let netConf = await asConfiguration(() => loadNetConf(netConfFile))
  const nodeName = named ?? (await nodeOfPod(where, { pod, log }))
  // A changed net-conf.json starts the overlay anew; what it finds in place stays.
  const source = { ...options, ...where, nodeName, component: 'overlay', files: [netConfFile] } as const
  const reload = (): void => {
    try {
      netConf = loadNetConf(netConfFile)
    } catch (error) {
      log.error({ err: error }, 'net-conf.json is not taken over; the last good one stays')
    }
  }
  await runSingleComponent(source, async (context) => {
    reload()
    const publish = context.writeBack?.patchNode
    return startOverlay({ ...context, ...settings, nodeName, netConf, subnetFile, publish })
  })
}
