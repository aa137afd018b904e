import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { NetlinkError } from './errors.ts'
import * as ffi from './ffi.ts'

const OWN = '/proc/thread-self/ns/net'

/** Where `ip netns` looks; only there the mount point is made shared, as ip(8) does. */
const IP_NETNS_DIRECTORY = '/run/netns'

/** Descriptor of the namespace this thread started in, opened at first use and kept. */
let home: number | undefined
/** Namespaces entered and not yet left, innermost last. */
const entered: number[] = []

function fail(request: string): never {
  throw new NetlinkError({ errno: ffi.errno(), request })
}

function homeFd(): number {
  home ??= openSync(OWN, constants.O_RDONLY)
  return home
}

/** Goes back to where the thread was; a thread lost in a foreign namespace must not go on. */
function goBack(): void {
  const back = entered.at(-1) ?? homeFd()
  if (ffi.setns(back, ffi.CLONE_NEWNET) !== 0) {
    process.stderr.write(
      `plexus: cannot return to the own network namespace (errno ${ffi.errno()}), aborting\n`,
    )
    process.abort()
  }
}

/**
 * Runs `body` with this thread in the network namespace at `path` (e.g. '/run/netns/x', '/proc/PID/ns/net').
 * Sockets opened inside stay in that namespace. `body` must be synchronous: the event loop never runs inside.
 * The process aborts when the way back fails.
 */
export function runInNetns<T>(path: string, body: () => T): T {
  homeFd()
  const fd = openSync(path, constants.O_RDONLY)
  try {
    if (ffi.setns(fd, ffi.CLONE_NEWNET) !== 0) fail(`setns ${path}`)
    entered.push(fd)
    try {
      const value = body()
      if (value instanceof Promise) {
        throw new TypeError('runInNetns: the body must be synchronous, it returned a promise')
      }
      return value
    } finally {
      entered.pop()
      goBack()
    }
  } finally {
    closeSync(fd)
  }
}

/** Makes `directory` a shared mount point, so that namespaces mounted in it are seen (and go) everywhere. */
function shareMountPoint(directory: string): void {
  const flags = ffi.MS_SHARED | ffi.MS_REC
  if (ffi.mount('', directory, 'none', flags) === 0) return
  // EINVAL: not a mount point yet (iproute2 ip/ipnetns.c, netns_add).
  if (ffi.mount(directory, directory, 'none', ffi.MS_BIND | ffi.MS_REC) !== 0)
    fail(`mount --bind ${directory}`)
  if (ffi.mount('', directory, 'none', flags) !== 0) fail(`mount --make-shared ${directory}`)
}

/**
 * Creates a network namespace and mounts it at `path`; `ip netns` lists those in /run/netns.
 * Throws EEXIST when `path` exists.
 */
export function createNetns(path: string): void {
  const directory = dirname(resolve(path))
  mkdirSync(directory, { recursive: true })
  if (directory === IP_NETNS_DIRECTORY) shareMountPoint(directory)
  homeFd()
  writeFileSync(path, '', { flag: 'wx', mode: 0o000 })
  try {
    if (ffi.unshare(ffi.CLONE_NEWNET) !== 0) fail('unshare CLONE_NEWNET')
    try {
      if (ffi.mount(OWN, path, 'none', ffi.MS_BIND) !== 0) fail(`mount ${path}`)
    } finally {
      goBack()
    }
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

/** Removes a namespace made by `createNetns` (or `ip netns add`); no error when it is gone already. */
export function deleteNetns(path: string): void {
  // EINVAL: a plain file left over by a crash between create and mount.
  if (ffi.umount2(path, ffi.MNT_DETACH) !== 0 && existsSync(path) && ffi.errno() !== 22)
    fail(`umount ${path}`)
  rmSync(path, { force: true })
}

/** Inode number of the namespace at `path`: equal for equal namespaces. */
export function netnsInode(path: string): bigint {
  return statSync(path, { bigint: true }).ino
}

/** Path under /proc/sys; only network settings depend on the namespace. */
function sysctlPath(name: string): string {
  return name.startsWith('/proc/sys/') ? name : `/proc/sys/${name}`
}

/** Writes a kernel setting such as 'net/ipv4/ip_forward', in the namespace at `netns` if given. */
export function setSysctl(path: string, value: string, netns?: string): void {
  const write = (): void => writeFileSync(sysctlPath(path), value)
  if (netns === undefined) write()
  else runInNetns(netns, write)
}

/** Reads a kernel setting, without the final newline. */
export function getSysctl(path: string, netns?: string): string {
  const read = (): string => readFileSync(sysctlPath(path), 'utf8').trimEnd()
  return netns === undefined ? read() : runInNetns(netns, read)
}
