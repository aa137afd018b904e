import { asConfiguration, UsageError } from './usage-error.ts'

/**
 * `plexus dns`: cluster DNS with CoreDNS's flags (`-conf`, `-dns.port`, ... with one dash or two), and the source flags
 * that every Plexus component has.
 */
export async function runDnsCommand(argv: readonly string[]): Promise<void> {
  const { describeDnsFlags, loadCorefile, parseDnsFlags, startDns } = await import('#dns')
  const { own, rest } = takeSourceFlags(argv)
  const flags = await asConfiguration(() => parseDnsFlags(rest))
  const immediate = describeDnsFlags(flags)
  if (immediate !== undefined) {
    process.stdout.write(`${immediate}\n`)
    return
  }
  await asConfiguration(() => loadCorefile(flags.conf))
  if (flags.pidfile !== undefined) await writePidFile(flags.pidfile)
  const { runSingleComponent } = await import('./single-component.ts')
  const quiet = flags.quiet ? { logLevel: 'warn' as const } : {}
  await runSingleComponent({ ...own, ...quiet, component: 'dns' }, (context) =>
    startDns({ ...context, corefile: flags.conf, port: flags.port }),
  )
}

/** Writes the process id, and takes the file away when the process ends. */
async function writePidFile(path: string): Promise<void> {
  const { rmSync, writeFileSync } = await import('node:fs')
  await asConfiguration(() => writeFileSync(path, `${process.pid}\n`))
  process.on('exit', () => rmSync(path, { force: true }))
}

interface SourceFlags {
  manifests?: string[]
  kubeconfig?: string
  readyFile?: string
}

function takeSourceFlags(argv: readonly string[]): { own: SourceFlags; rest: string[] } {
  const own: SourceFlags = {}
  const rest: string[] = []
  for (let index = 0; index < argv.length; index += 1) {
    const [flag = '', inline] = (argv[index] ?? '').split(/=(.*)/s)
    const name = flag.replace(/^--?/, '')
    if (name !== 'manifests' && name !== 'kubeconfig' && name !== 'ready-file') {
      rest.push(argv[index] ?? '')
      continue
    }
    const value = inline ?? argv[(index += 1)]
    if (value === undefined) throw new UsageError(`${flag} needs a value`)
    if (name === 'manifests') own.manifests = [...(own.manifests ?? []), value]
    else if (name === 'kubeconfig') own.kubeconfig = value
    else own.readyFile = value
  }
  return { own, rest }
}
