import { availableParallelism } from 'node:os'
import type { DnsFlags, KubernetesDirective } from '#dns'
import { type LogFormat, type LogLevel, logFormats, logLevels } from '../logging.ts'
import type { SourceSettings } from '../source.ts'
import { namesCluster, sourceOf } from './source-options.ts'
import { asConfiguration, UsageError } from './usage-error.ts'

/** One answers 100,000 queries a second and more; more than these only cost memory on a large node. */
const mostWorkers = 4

/**
 * `plexus dns`: cluster DNS with CoreDNS's flags (`-conf`, `-dns.port`, ... with one dash or two), and the source flags
 * that every Plexus component has.
 */
export async function runDnsCommand(argv: readonly string[]): Promise<void> {
  const dns = await import('#dns')
  const { CorefileError, describeDnsFlags, loadCorefile, parseDnsFlags, serviceHost, startDns } = dns
  const { own, rest } = takeSourceFlags(argv)
  const flags = await asConfiguration(() => parseDnsFlags(rest))
  const immediate = describeDnsFlags(flags)
  if (immediate !== undefined) {
    process.stdout.write(`${immediate}\n`)
    return
  }
  const { nodeLocal } = flags
  const corefile = await fileOrTemplate(flags)
  const directive = await asConfiguration(() => dns.kubernetesDirective(loadCorefile(corefile)))
  const source = clusterOf(directive, own)
  if (flags.pidfile !== undefined) await writePidFile(flags.pidfile)
  const { runSingleComponent } = await import('./single-component.ts')
  const quiet = flags.quiet ? { logLevel: 'warn' as const } : {}
  await runSingleComponent({ ...own, ...source, ...quiet, component: 'dns' }, (context) =>
    startDns({
      ...context,
      corefile,
      port: flags.port,
      workers: flags.workers ?? Math.min(mostWorkers, availableParallelism()),
      nodeLocal: nodeLocal && {
        ...nodeLocal,
        port: flags.port,
        clusterDns: serviceHost(nodeLocal.upstreamService, process.env),
      },
    }).catch((error: unknown) => {
      // What a plugin finds wrong in its directive is found when it is set up.
      if (error instanceof CorefileError) throw new UsageError(error.message, { cause: error })
      throw error
    }),
  )
}

/** As CoreDNS: what the Corefile names, or the pod's service account; but flags win. */
function clusterOf(directive: KubernetesDirective | undefined, own: SourceFlags): SourceSettings {
  const { where, kubeconfig, context, endpoint, tls } = directive ?? {}
  const certificates = endpoint === undefined ? undefined : (tls ?? {})
  const source = sourceOf(own, { kubeconfig, context, apiServer: endpoint, certificates })
  if (where !== undefined && !namesCluster(source))
    throw new UsageError(
      `${where}: plugin/kubernetes: where the cluster is described is missing: give --manifests DIR or --kubeconfig FILE, name a kubeconfig or endpoint here, or run in a pod`,
    )
  return source
}

/** node-cache writes its Corefile from a template; here the template itself is read. */
async function fileOrTemplate({ conf, nodeLocal }: DnsFlags): Promise<string | undefined> {
  if (nodeLocal === undefined || conf === 'stdin') return conf
  const { existsSync } = await import('node:fs')
  return existsSync(conf ?? 'Corefile') ? conf : nodeLocal.baseCorefile
}

/** Writes the process id, and takes the file away when the process ends. */
async function writePidFile(path: string): Promise<void> {
  const { rmSync, writeFileSync } = await import('node:fs')
  await asConfiguration(() => writeFileSync(path, `${process.pid}\n`))
  process.on('exit', () => rmSync(path, { force: true }))
}

interface SourceFlags {
  logFormat?: LogFormat
  logLevel?: LogLevel
  manifests?: string[]
  kubeconfig?: string
  readyFile?: string
  snapshot?: string
}

const sourceFlags = new Set(['manifests', 'kubeconfig', 'ready-file', 'snapshot', 'log-level', 'log-format'])

function takeSourceFlags(argv: readonly string[]): { own: SourceFlags; rest: string[] } {
  const own: SourceFlags = {}
  const rest: string[] = []
  for (let index = 0; index < argv.length; index += 1) {
    const [flag = '', inline] = (argv[index] ?? '').split(/=(.*)/s)
    const name = flag.replace(/^--?/, '')
    if (!sourceFlags.has(name)) {
      rest.push(argv[index] ?? '')
      continue
    }
    const value = inline ?? argv[(index += 1)]
    if (value === undefined) throw new UsageError(`${flag} needs a value`)
    if (name === 'manifests') own.manifests = [...(own.manifests ?? []), value]
    else if (name === 'kubeconfig') own.kubeconfig = value
    else if (name === 'snapshot') own.snapshot = value
    else if (name === 'log-level') own.logLevel = oneOf(logLevels, flag, value)
    else if (name === 'log-format') own.logFormat = oneOf(logFormats, flag, value)
    else own.readyFile = value
  }
  return { own, rest }
}

function oneOf<T extends string>(choices: readonly T[], flag: string, value: string): T {
  const choice = choices.find((known) => known === value)
  if (choice === undefined) throw new UsageError(`${flag} ${value} is none of ${choices.join(', ')}`)
  return choice
}
