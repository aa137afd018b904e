import { type Command, Option } from 'commander'
import { logFormats, logLevels } from '../logging.ts'
import { type ProxyCommandOptions, runProxyCommand } from './proxy.ts'
import { runSingleComponent, type SingleComponentOptions } from './single-component.ts'
import { requireSource } from './source-options.ts'
import { asConfiguration } from './usage-error.ts'

const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value]

function withSourceOptions(command: Command): Command {
  return command
    .option(
      '--manifests <dir>',
      'directory of Kubernetes manifests, read recursively and watched (repeatable)',
      collect,
    )
    .option('--kubeconfig <file>', 'read from an API server instead')
    .option('--ready-file <path>', 'written once the command serves')
    .addOption(new Option('--log-level <level>').choices(logLevels))
    .addOption(new Option('--log-format <format>').choices(logFormats))
}

/** `plexus proxy`, `plexus gateway` and `plexus overlay`. */
export function addComponentCommands(program: Command): void {
  withSourceOptions(program.command('proxy'))
    .description("Service load balancing (kube-proxy's job) into nftables; takes kube-proxy's flags, too")
    .option('--node-name <name>', 'the Node object that this machine is (default: the host name)')
    .option('--config <file>', 'KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)')
    .option('--cleanup', 'remove the nftables tables and exit')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (options: ProxyCommandOptions, command: Command) => runProxyCommand(options, command.args))

  withSourceOptions(program.command('gateway'))
    .description("HTTP gateway (APISIX's job)")
    .option('--config <file>', "configuration with APISIX's config.yaml keys")
    .action(async (options: SingleComponentOptions & { config?: string }) => {
      const { loadGatewayConfig, startGateway } = await import('#ingress')
      const load = () => asConfiguration(() => loadGatewayConfig(options.config))
      await load()
      await runSingleComponent(options, async (context) => startGateway({ ...context, config: await load() }))
    })

  withSourceOptions(program.command('overlay'))
    .description("the network between nodes (flannel's job)")
    .requiredOption('--node-name <name>', 'the Node object that this machine is')
    .requiredOption('--net-conf <file>', 'net-conf.json')
    .option('--subnet-file <file>', 'where to write the subnet for the CNI plugin', '/run/flannel/subnet.env')
    .option('--iface <name>', 'interface or address of the underlay')
    .option('--public-ip <address>', 'address that other nodes send to')
    .action(
      async (
        options: SingleComponentOptions & {
          nodeName: string
          netConf: string
          subnetFile: string
          iface?: string
          publicIp?: string
        },
      ) => {
        requireSource(options)
        const { loadNetConf, startOverlay } = await import('#cni')
        const { nodeName, subnetFile, iface, publicIp } = options
        const netConf = await asConfiguration(() => loadNetConf(options.netConf))
        await runSingleComponent(options, (context) =>
          startOverlay({ ...context, nodeName, netConf, subnetFile, iface, publicIp }),
        )
      },
    )
}
