import { type Command, Option } from 'commander'
import { startGatewayComponent } from '../gateway-component.ts'
import { logFormats, logLevels } from '../logging.ts'
import { type OverlayCommandOptions, runOverlayCommand } from './overlay.ts'
import { type ProxyCommandOptions, runProxyCommand } from './proxy.ts'
import { runSingleComponent, type SingleComponentOptions } from './single-component.ts'
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
    .option('--in-cluster', 'read from the API server of the pod that this runs in')
    .option('--snapshot <file>', 'keeps the last known state, to begin with while the API server is away')
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
      const { loadGatewayConfig } = await import('#ingress')
      const load = async () => ({
        config: await asConfiguration(() => loadGatewayConfig(options.config)),
        addresses: {},
      })
      await load()
      const files = options.config === undefined ? [] : [options.config]
      await runSingleComponent({ ...options, component: 'gateway', files }, (context) =>
        startGatewayComponent(load, context),
      )
    })

  withSourceOptions(program.command('overlay'))
    .description(
      "the network between nodes (flannel's job); takes flannel's flags, docs/overlay.md lists them",
    )
    .option('--node-name <name>', 'the Node object that this machine is (default: NODE_NAME)')
    .option('--net-conf <file>', 'net-conf.json (default: /etc/kube-flannel/net-conf.json)')
    .option('--cleanup', 'remove devices, routes, tables and files of the overlay, and exit')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (options: OverlayCommandOptions, command: Command) =>
      runOverlayCommand(options, command.args),
    )
}
