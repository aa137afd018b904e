import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Container } from '#watch'
import { LabError } from '../errors.ts'
import { inNetns } from '../process/spawn.ts'
import { expandVariables } from './container-env.ts'

/**
 * Runs between `unshare` and the container's own program: puts the Pod's files over those of the machine, inside this
 * mount namespace only, sets the host name, and becomes the program. A file that is a symbolic link (resolv.conf under
 * systemd-resolved) is covered where it points to.
 */
const ENTRY_SCRIPT = `
etc=$1 name=$2 directory=$3
shift 3
for file in resolv.conf hosts hostname nsswitch.conf; do
  if [ -e "$etc/$file" ] && [ -e "/etc/$file" ]; then
    mount --bind "$etc/$file" "/etc/$file" || exit 125
  elif [ "$file" = resolv.conf ]; then
    echo "/etc/resolv.conf is missing on this machine: create an empty one" >&2
    exit 125
  fi
done
# glibc asks a name service cache before any resolver; the machine's is not the pod's.
if [ -d /run/nscd ]; then mount -t tmpfs none /run/nscd || exit 125; fi
if [ -n "$name" ]; then echo "$name" > /proc/sys/kernel/hostname || exit 125; fi
cd "$directory" || exit 125
exec "$@"
`

export interface ContainerCommandOptions {
  readonly container: Container
  readonly variables: ReadonlyMap<string, string>
  /** Path of the network namespace to run in. */
  readonly netns: string
  /** Folder with the Pod's resolv.conf, hosts, hostname and nsswitch.conf. */
  readonly etc: string
  /** '' keeps the machine's host name (hostNetwork). */
  readonly hostname: string
  /** Folder of the image, the working directory unless the container names one (relative to it). */
  readonly image: string
}

/**
 * The command line that starts a container: the Pod's network namespace, a mount and a UTS namespace of its own, then
 * command and args with their $(VARIABLES) replaced. Each stage replaces the one before, so the pid is the program's.
 * Mounts propagate from the machine into the container but not back: a network namespace unmounted later must not stay
 * pinned by every container that was started while it existed.
 */
export function containerCommand(options: ContainerCommandOptions): string[] {
  const { container, variables } = options
  const program = [...container.command, ...container.args].map((part) => expandVariables(part, variables))
  if (program.length === 0) {
    throw new LabError(
      'LAB_MANIFEST',
      `container ${container.name}: neither command nor args; images of the lab have no entry point, so say which program to run`,
    )
  }
  const directory = path.resolve(options.image, container.workingDir || '.')
  const uts = options.hostname === '' ? [] : ['--uts']
  return inNetns(options.netns, [
    'unshare',
    '--mount',
    ...uts,
    '--propagation',
    'slave',
    '--',
    '/bin/sh',
    '-c',
    ENTRY_SCRIPT,
    'plexus-container',
    options.etc,
    options.hostname,
    directory,
    ...program,
  ])
}

/**
 * The folder an image name stands for: `registry/bookstore:1` is `<images>/bookstore`. Without such a folder it is the
 * root: any image has the machine's programs (`image: busybox`, `command: [sleep, infinity]`).
 */
export function imageDirectory(images: string, image: string): string {
  const name = image.replace(/@.*$/, '').split('/').at(-1)?.split(':')[0] ?? ''
  const directory = path.join(images, name)
  return name === '' || name.startsWith('.') || !existsSync(directory) ? '/' : directory
}
