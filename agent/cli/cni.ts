import type { Command } from 'commander'

interface InstallFlags {
  readonly binDir: string
  readonly confDir: string
  readonly confName: string
  readonly conf: boolean
  readonly types: string
}

/** `plexus cni install`: puts the plugin, its links and the conflist in place. */
export function addCniCommand(program: Command): void {
  const cni = program.command('cni').description('the CNI plugin')
  cni
    .command('install')
    .description('put the plugin binary with its links, and the conflist, in place (atomically; repeatable)')
    .option('--bin-dir <dir>', 'where the container runtime looks for plugins', '/opt/cni/bin')
    .option('--conf-dir <dir>', 'where the container runtime looks for configuration', '/etc/cni/net.d')
    .option(
      '--conf-name <name>',
      'file name of the conflist; runtimes take the first in order',
      '10-plexus.conflist',
    )
    .option('--no-conf', 'put no conflist in place')
    .option(
      '--types <list>',
      "plugin types, or 'all'; those of other programs with these names are replaced",
      'plexus',
    )
    .action(async ({ binDir, confDir, confName, conf, types }: InstallFlags) => {
      const { installCni, plugins } = await import('#cni')
      const { files } = installCni({
        binDir,
        ...(conf ? { confDir, confName } : {}),
        types: types === 'all' ? [...plugins.keys()] : types.split(',').map((type) => type.trim()),
      })
      for (const path of files) process.stdout.write(`${path}\n`)
    })
  for (const command of cni.commands) command.exitOverride()
}
