// bin/plexus. Each command is a file in this folder and loads what it needs when it runs.
import { Command, CommanderError } from 'commander'
import { messageOf } from '../errors.ts'
import { addAgentCommand } from './agent.ts'
import { addCniCommand } from './cni.ts'
import { addComponentCommands } from './component-commands.ts'
import { runDnsCommand } from './dns.ts'
import { addLabCommand } from './lab.ts'
import { addQueryCommands } from './query.ts'
import { exitCodeOf } from './usage-error.ts'

const program = new Command('plexus')
  .description('The cluster network of a Kubernetes node: CNI and overlay, Services, DNS and HTTP gateway')
  .version('0.1.0')
  .exitOverride()
  .configureOutput({
    outputError: (text, write) =>
      write(
        `${text
          .replace(/^error: /, 'plexus: ')
          .trim()
          .replaceAll('\n', ' ')}\n`,
      ),
  })
  .showHelpAfterError(false)

addAgentCommand(program)
addComponentCommands(program)
addLabCommand(program)
addQueryCommands(program)
addCniCommand(program)
// Described for --help only: its flags are CoreDNS's (-conf, -dns.port), which commander cannot parse.
program
  .command('dns')
  .description("cluster DNS with CoreDNS's flags: --manifests DIR --conf Corefile [--dns.port P]")

// Commands inherit the settings above only when they are made by the program that has them.
for (const command of program.commands) command.exitOverride()

try {
  if (process.argv[2] === 'dns') await runDnsCommand(process.argv.slice(3))
  else await program.parseAsync(process.argv)
} catch (error) {
  if (error instanceof CommanderError) {
    // --help and --version end here with 0; a bad flag was already reported on one line.
    process.exitCode = error.exitCode === 0 || error.code === 'commander.help' ? 0 : 2
  } else {
    process.stderr.write(`plexus: ${messageOf(error)}\n`)
    if (exitCodeOf(error) === 1 && process.env['PLEXUS_DEBUG'] !== undefined) console.error(error)
    process.exitCode = exitCodeOf(error)
  }
  // A failed start may leave watchers open.
  setImmediate(() => process.exit())
}
