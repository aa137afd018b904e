import type { Command } from 'commander'

/** `plexus cni install`: puts the plugin, its links and the conflist in place. */
export function addCniCommand(program: Command): void {
  const cni = program.command('cni').description('the CNI plugin')
  cni
    .command('install')
    .description('put the plugin binary with its links, and the conflist, in place (atomically; repeatable)')
    .option('--bin-dir <dir>', 'where the container runtime looks for plugins', '/opt/cni/bin')
    .option('--conf-dir <dir>', 'where the container runtime looks for configuration', '/etc/cni/net.d')
    .action(async ({ binDir, confDir }: { binDir: string; confDir: string }) => {
      const { installCni } = await import('#cni')
      for (const path of installCni({ binDir, confDir }).files) process.stdout.write(`${path}\n`)
    })
  for (const command of cni.commands) command.exitOverride()
}
