import type { Command } from 'commander'

interface LabOptions {
  readonly name: string
}

/** `plexus lab`: a cluster of network namespaces on this machine. */
export function addLabCommand(program: Command): void {
  // Options of the command that `exec` runs in the pod must not be taken for options of plexus.
  program.enablePositionalOptions()
  const lab = program
    .command('lab')
    .enablePositionalOptions()
    .description('a cluster of network namespaces on this machine')
  const command = (name: string, description: string): Command =>
    lab.command(name).description(description).option('--name <name>', 'name of the lab', 'lab')

  command('run', 'start the cluster, take the tour, stay up until Ctrl-C')
    .option('--manifests <dir>', 'the cluster to run', undefined)
    .option('--once', 'tear down after the tour; exit 0 only if every step held')
    .option('--no-tour', 'only start it and stay up')
    .action(async (options: LabOptions & { manifests?: string; once?: boolean; tour: boolean }) => {
      const { labCommands } = await import('#lab')
      process.exitCode = await labCommands.run(options)
    })
  command('up', 'start the cluster and leave it running')
    .option('--manifests <dir>', 'the cluster to run', undefined)
    .action(async (options: LabOptions & { manifests?: string }) => {
      const { labCommands } = await import('#lab')
      process.exitCode = await labCommands.up(options)
    })
  command('status', 'nodes, pods and processes of a running lab').action(async (options: LabOptions) => {
    const { labCommands } = await import('#lab')
    process.exitCode = await labCommands.status(options)
  })
  command('exec', 'run a command in a pod: plexus lab exec POD -- CMD')
    .argument('<pod>', 'name, or namespace/name')
    .argument('<cmd...>', 'command and arguments')
    .passThroughOptions()
    .action(async (pod: string, argv: string[], options: LabOptions) => {
      const { labCommands } = await import('#lab')
      process.exitCode = await labCommands.exec({ ...options, pod, command: argv })
    })
  lab
    .command('kubelet', { hidden: true })
    .description('the kubelet of one node; started by the lab inside the node')
    .requiredOption('--state <dir>', "the lab's state directory")
    .requiredOption('--node <name>', 'the node')
    .option('--ready-file <path>', 'written once it serves')
    .action(async (options: { state: string; node: string; readyFile?: string }) => {
      const { labCommands } = await import('#lab')
      process.exitCode = await labCommands.kubelet(options)
    })
  command('down', 'stop it and remove everything, also what a crashed lab left').action(
    async (options: LabOptions) => {
      const { labCommands } = await import('#lab')
      process.exitCode = await labCommands.down(options)
    },
  )
}
