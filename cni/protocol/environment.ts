import { CniError, cniCodes } from './errors.ts'

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'

/** The CNI_ variables of one call, validated. Variables a command does not use are ''. */
export interface CniEnvironment {
  readonly command: CniCommand
  readonly containerID: string
  readonly netns: string
  readonly ifname: string
  readonly args: string
  readonly path: string
  /** CNI_NETNS_OVERRIDE: the runtime knows that the pod shares the plugin's own namespace. */
  readonly netnsOverride: boolean
}

const attachment = ['ADD', 'CHECK', 'DEL']

/** Order and texts are those of skel.go, which validates a variable while it collects the missing ones. */
const rules: readonly { name: string; requiredFor: readonly string[]; validate?: (value: string) => void }[] =
  [
    { name: 'CNI_CONTAINERID', requiredFor: attachment, validate: validateContainerID },
    { name: 'CNI_NETNS', requiredFor: ['ADD', 'CHECK'] },
    { name: 'CNI_IFNAME', requiredFor: attachment, validate: validateInterfaceName },
    { name: 'CNI_PATH', requiredFor: [...attachment, 'GC', 'STATUS'] },
  ]

const commands: readonly string[] = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION']

/** Reads and checks the CNI_ variables; throws code 4. The command's name itself is checked last, by `knownCommand`. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): CniEnvironment {
  const read = (name: string): string => environment[name] ?? ''
  const command = read('CNI_COMMAND')
  const missing = command === '' ? ['CNI_COMMAND'] : []
  for (const { name, requiredFor, validate } of rules) {
    if (!requiredFor.includes(command)) continue
    const value = read(name)
    if (value === '') missing.push(name)
    else validate?.(value)
  }
  if (missing.length > 0) throw invalid(`required env variables [${missing.join(',')}] missing`)
  const override = read('CNI_NETNS_OVERRIDE')
  return {
    command: command as CniCommand,
    containerID: read('CNI_CONTAINERID'),
    netns: read('CNI_NETNS'),
    ifname: read('CNI_IFNAME'),
    args: read('CNI_ARGS'),
    path: read('CNI_PATH'),
    netnsOverride: override.toUpperCase() === 'TRUE' || override === '1',
  }
}

/** The Go library looks at the command only after it has read and checked the configuration. */
export function knownCommand(command: string): command is CniCommand {
  return commands.includes(command)
}

export function unknownCommand(command: string): CniError {
  return invalid(`unknown CNI_COMMAND: ${command}`)
}

function validateContainerID(id: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(id)) throw invalid('invalid characters in containerID', id)
}

/** dev_valid_name() of net/core/dev.c, with the Go library's texts. */
function validateInterfaceName(name: string): void {
  if (name.length > 15)
    throw invalid('interface name is too long', `interface name should be less than 16 characters`)
  if (name === '.' || name === '..') throw invalid('interface name is . or ..')
  if (/[/:\s]/.test(name)) throw invalid('interface name contains / or : or whitespace characters')
}

function invalid(message: string, details = ''): CniError {
  return new CniError(cniCodes.invalidEnvironment, message, { details })
}
