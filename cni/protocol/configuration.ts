import { Fields } from '#ipam'
import { CniError, cniCodes } from './errors.ts'
import { implicitVersion } from './version.ts'

/** What every plugin configuration has. Everything else is read by its plugin from `fields`. */
export interface NetworkConfiguration {
  readonly fields: Fields
  /** The configuration as it came, for delegates. */
  readonly text: string
  readonly name: string
  readonly cniVersion: string
  readonly type: string
}

/** Reads stdin as skel.go does: JSON first (code 6), then the network's name (code 7). */
export function readConfiguration(text: string): NetworkConfiguration {
  let fields: Fields
  try {
    fields = new Fields(JSON.parse(text), '')
  } catch (error) {
    throw decodingFailure(error)
  }
  const read = (name: string): string => {
    try {
      return fields.string(name) ?? ''
    } catch (error) {
      throw decodingFailure(error)
    }
  }
  const name = read('name')
  if (name === '') throw new CniError(cniCodes.invalidConfig, 'missing network name')
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw new CniError(cniCodes.invalidConfig, 'invalid characters found in network name', { details: name })
  }
  return { fields, text, name, cniVersion: read('cniVersion') || implicitVersion, type: read('type') }
}

function decodingFailure(error: unknown): CniError {
  const reason = error instanceof Error ? error.message : String(error)
  return new CniError(cniCodes.decodingFailure, `error unmarshall network config: ${reason}`, {
    cause: error,
  })
}
