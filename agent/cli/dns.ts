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
  const { runSingleComponent } = await import('./single-component.ts')
  await runSingleComponent({ ...own, component: 'dns' }, (context) =>
    startDns({ ...context, corefile: flags.conf, port: flags.port }),
  )
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
