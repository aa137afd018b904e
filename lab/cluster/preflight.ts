import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { LabError } from '../errors.ts'

/** Programs of the machine that the lab runs, and the Debian package each comes in. */
const PROGRAMS = {
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  getent: 'libc-bin',
} as const
/** Those only the tour runs. */
const TOUR_PROGRAMS = { curl: 'curl', dig: 'bind9-dnsutils', nft: 'nftables' } as const

const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Path of a program of the machine; undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  return DIRECTORIES.map((directory) => path.join(directory, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Throws if the machine cannot run a lab, saying what to do about it. */
export function checkMachine(options: { tour: boolean }): void {
  if (process.getuid?.() !== 0) {
    throw new LabError('LAB_ROOT', 'a lab needs root (network namespaces): run it with sudo')
  }
  const needed = Object.entries({ ...PROGRAMS, ...(options.tour ? TOUR_PROGRAMS : {}) })
  const missing = needed.filter(([program]) => findProgram(program) === undefined)
  if (missing.length === 0) return
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ')
  const programs = missing.map(([program]) => program).join(', ')
  throw new LabError('LAB_PROGRAM', `missing: ${programs}. Run: apt-get install -y ${packages}`)
}
