import { CniError, cniCodes } from './errors.ts'

/** Versions of the CNI specification that can be spoken, oldest first. */
export const supportedVersions: readonly string[] = [
  '0.1.0',
  '0.2.0',
  '0.3.0',
  '0.3.1',
  '0.4.0',
  '1.0.0',
  '1.1.0',
]
export const newestVersion = '1.1.0'
/** What a configuration without cniVersion speaks. */
export const implicitVersion = '0.1.0'

/** The answer to VERSION; needs neither stdin nor an agent. */
export function versionReply(): string {
  return JSON.stringify({ cniVersion: newestVersion, supportedVersions })
}

/** What a person sees who runs the plugin by hand. */
export function aboutText(type: string): string {
  return `CNI plugin ${type} (Plexus)\nCNI protocol versions supported: ${supportedVersions.join(', ')}\n`
}

/** Negative, 0 or positive as `a` is older than, equal to or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a)
  const right = parseVersion(b)
  for (const [index, part] of left.entries()) {
    const difference = part - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Numeric per part, missing parts are 0, as pkg/version of the Go library has it. */
function parseVersion(text: string): [number, number, number] {
  const parts = text.split('.')
  if (text === '' || parts.length > 3)
    throw malformed(`invalid version "${text}": ${text === '' ? 'the version is empty' : 'too many parts'}`)
  const [major, minor = 0, micro = 0] = parts.map((part) => {
    if (!/^\d{1,9}$/.test(part)) throw malformed(`failed to convert version part "${part}" of "${text}"`)
    return Number(part)
  })
  return [major ?? 0, minor, micro]
}

/** Throws code 1 unless this program speaks `version`. */
export function checkVersion(version: string): void {
  if (supportedVersions.includes(version)) return
  const list = supportedVersions.map((supported) => `"${supported}"`).join(' ')
  throw new CniError(cniCodes.incompatibleVersion, 'incompatible CNI versions', {
    details: `config is "${version}", plugin supports [${list}]`,
  })
}

const introducedIn: Readonly<Record<string, string>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' }

/** Throws code 1 if the configuration's version does not know the command yet. */
export function checkCommandVersion(command: string, version: string): void {
  const since = introducedIn[command]
  if (since === undefined) return
  if (compareVersions(version, since) < 0) {
    throw new CniError(cniCodes.incompatibleVersion, `config version does not allow ${command}`)
  }
  if (compareVersions(version, newestVersion) > 0) {
    throw new CniError(cniCodes.incompatibleVersion, `plugin version does not allow ${command}`)
  }
}

function malformed(message: string): CniError {
  return new CniError(cniCodes.decodingFailure, message)
}
