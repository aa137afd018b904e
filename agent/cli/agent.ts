import type { Command } from 'commander'
import { loadConfiguration } from '../configuration.ts'
import { serveUntilSignal } from '../lifecycle.ts'
import { createLogger } from '../logging.ts'
import { checkConfiguration, startNodeAgent } from '../node-agent.ts'
import { asConfiguration } from './usage-error.ts'

/** `plexus agent --config FILE`: all components that the file switches on. */
export function addAgentCommand(program: Command): void {
  program
    .command('agent')
    .description('the node agent: every component that the configuration file switches on')
    .requiredOption('--config <file>', 'configuration file (docs/configuration.md)')
    .option('--ready-file <path>', 'written once everything was started')
    .option('--check', 'only check the configuration')
    .action(async (options: { config: string; readyFile?: string; check?: boolean }) => {
      const config = await asConfiguration(() => loadConfiguration(options.config))
      await asConfiguration(() => checkConfiguration(config))
      if (options.check === true) {
        process.stdout.write(`${options.config}: good\n`)
        return
      }
      const log = createLogger(config.log)
      const agent = await startNodeAgent(options.config, log)
      log.info({ node: config.nodeName, pid: process.pid }, 'agent serves')
      await serveUntilSignal({
        readyFile: options.readyFile,
        log,
        onReload: () => void agent.reload(),
        stop: () => agent.stop(),
      })
      process.exit(0)
    })
}
