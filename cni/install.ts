import { spawnSync } from 'node:child_process'
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { plugins } from './plugins/index.ts'
import { isSame } from './same-file.ts'

const root = join(import.meta.dirname, '..')

export interface InstallCniOptions {
  /** Where the container runtime looks for plugins, e.g. /opt/cni/bin. */
  readonly binDir: string
  /** Where it looks for network configurations, e.g. /etc/cni/net.d; absent: no configuration is written. */
  readonly confDir?: string | undefined
  /** File name below confDir (default 10-plexus.conflist; runtimes take the first in order). */
  readonly confName?: string | undefined
  /** The configuration to write (default: `defaultConflist()`). */
  readonly conflist?: Readonly<Record<string, unknown>> | undefined
  /** Plugin names to put in place (default: plexus alone, so that the reference plugins stay what they are). */
  readonly types?: readonly string[] | undefined
  /** A program that the names shall be links to, instead of the shim. */
  readonly launcher?: string | undefined
}

/** Where a shim looks for the program that does its work when the agent does not answer: beside itself. */
export const launcherName = '.plexus-launcher'

export interface InstalledCni {
  readonly files: readonly string[]
}

/** One plugin does all: bridge, addresses, masquerading, published ports. */
export function defaultConflist(socket = '/run/plexus/cni.sock'): Record<string, unknown> {
  return {
    cniVersion: '1.1.0',
    name: 'plexus',
    plugins: [
      {
        type: 'plexus',
        socket,
        subnetFile: '/run/flannel/subnet.env',
        bridge: 'cni0',
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: true,
        ipam: { type: 'host-local', dataDir: '/var/lib/cni/networks' },
        capabilities: { portMappings: true },
      },
    ],
  }
}

/**
 * Puts plugins and configuration in place: under each name a copy of the shim, or where none can be had a link to
 * bin/cni/plexus, which does the same more slowly. Every file appears by rename(2), so a runtime that looks at the same
 * time sees the old or the new one; the plugins come first, because a configuration without its plugin fails pods.
 */
export function installCni(options: InstallCniOptions): InstalledCni {
  const { binDir, confDir, confName = '10-plexus.conflist', types = ['plexus'] } = options
  const shim = options.launcher === undefined ? buildShim() : undefined
  const launcher = resolve(options.launcher ?? join(root, 'bin', 'cni', 'plexus'))
  const unknown = types.find((type) => !plugins.has(type))
  if (unknown !== undefined) {
    throw new Error(
      `cni install: there is no plugin type "${unknown}" (known: ${[...plugins.keys()].join(', ')})`,
    )
  }
  const files: string[] = []
  mkdirSync(binDir, { recursive: true, mode: 0o755 })
  const link = (path: string): void => {
    if (!pointsTo(path, launcher)) replace(path, (temporary) => symlinkSync(launcher, temporary))
  }
  if (shim !== undefined) link(join(binDir, launcherName))
  for (const type of types) {
    const path = join(binDir, type)
    // The program itself, a few kilobytes: a link would go nowhere where this directory is a container's.
    if (shim === undefined) link(path)
    else if (!isSame(path, shim)) {
      replace(path, (temporary) => writeFileSync(temporary, readFileSync(shim), { mode: 0o755 }))
    }
    files.push(path)
  }
  if (confDir !== undefined) {
    mkdirSync(confDir, { recursive: true, mode: 0o755 })
    const path = join(confDir, confName)
    const text = `${JSON.stringify(options.conflist ?? defaultConflist(), null, 2)}\n`
    replace(path, (temporary) => writeFileSync(temporary, text, { mode: 0o644 }))
    files.push(path)
  }
  return { files }
}

/** The compiled shim, made anew when its source is newer; undefined where there is no C compiler. */
export function buildShim(): string | undefined {
  const path = join(root, 'dist', 'cni', 'shim')
  const modified = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (modified(path) >= modified(join(root, 'cni', 'shim', 'shim.c'))) return path
  return spawnSync('sh', [join(root, 'cni', 'shim', 'build')], { stdio: 'ignore' }).status === 0
    ? path
    : undefined
}

/** Makes `path` by `create` under a temporary name (with a dot: runtimes skip those) and a rename. */
function replace(path: string, create: (temporary: string) => void): void {
  const temporary = join(path, '..', `.${basename(path)}.${process.pid}`)
  rmSync(temporary, { force: true })
  try {
    create(temporary)
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
}

function pointsTo(path: string, target: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && readlinkSync(path) === target
  } catch {
    return false
  }
}
