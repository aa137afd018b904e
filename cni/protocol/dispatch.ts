import type { Logger } from 'pino'
import { readConfiguration } from './configuration.ts'
import { knownCommand, readEnvironment, unknownCommand } from './environment.ts'
import { type CniError, encodeError, toCniError } from './errors.ts'
import type { CniCall, Plugin } from './plugin.ts'
import { encodeResult } from './result.ts'
import { aboutText, checkCommandVersion, checkVersion, newestVersion, versionReply } from './version.ts'

/** One execution of a plugin, wherever it is served. */
export interface CniRequest {
  /** Name under which the program was called. */
  readonly type: string
  readonly environment: Readonly<Record<string, string>>
  readonly stdin: string
}

export interface CniReply {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** The failure behind a non-zero exit, for logs and metrics. */
  readonly error?: CniError | undefined
}

export interface DispatchOptions {
  readonly plugins: ReadonlyMap<string, Plugin>
  readonly log?: Logger | undefined
  readonly overlayTrouble?: (() => string | undefined) | undefined
}

/** Serves one request: checks in the order of the Go library's skel.go, then the plugin. Never throws. */
export async function dispatch(request: CniRequest, options: DispatchOptions): Promise<CniReply> {
  const { environment, stdin, type } = request
  const { plugins } = options
  if ((environment['CNI_COMMAND'] ?? '') === '') return { exitCode: 0, stdout: '', stderr: aboutText(type) }
  let cniVersion = newestVersion
  try {
    const variables = readEnvironment(environment)
    if (variables.command === 'VERSION') return succeed(versionReply())
    const conf = readConfiguration(stdin)
    cniVersion = conf.cniVersion
    if (!knownCommand(variables.command)) throw unknownCommand(variables.command)
    checkCommandVersion(variables.command, conf.cniVersion)
    checkVersion(conf.cniVersion)
    const plugin = plugins.get(type)
    if (plugin === undefined) throw new Error(`there is no plugin type "${type}" in this program`)
    return succeed(await run(plugin, { ...variables, conf, environment, ...options }))
  } catch (thrown) {
    const error = toCniError(thrown)
    return { exitCode: 1, stdout: encodeError(error, cniVersion), stderr: '', error }
  }
}

async function run(plugin: Plugin, call: CniCall): Promise<string> {
  switch (call.command) {
    case 'ADD': {
      const result = await plugin.add(call)
      try {
        return encodeResult(result, call.conf.cniVersion)
      } catch (error) {
        // The runtime will see a failed ADD: nothing of it may stay.
        await plugin.del(call)
        throw error
      }
    }
    case 'DEL':
      await plugin.del(call)
      return ''
    case 'CHECK':
      await plugin.check?.(call)
      return ''
    case 'GC':
      await plugin.gc?.(call)
      return ''
    case 'STATUS':
      await plugin.status?.(call)
      return ''
    default:
      return versionReply()
  }
}

function succeed(stdout: string): CniReply {
  return { exitCode: 0, stdout, stderr: '' }
}
