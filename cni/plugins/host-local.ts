import {
  allocate,
  checkCapacity,
  checkLease,
  collectLeases,
  dataDirectoryOf,
  loadIpamConfig,
  release,
} from '#ipam'
import { readValidAttachments } from '../protocol/attachments.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import type { CniResult, CniRoute } from '../protocol/result.ts'

/** Type `host-local`: address management for a foreign interface plugin. */
export const hostLocalPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const { ips, routes, dns } = await allocate(configOf(call), call)
    return { interfaces: [], ips, routes: routes as unknown as readonly CniRoute[], dns }
  },

  async del(call: CniCall): Promise<void> {
    await release(storeOf(call), call)
  },

  async check(call: CniCall): Promise<void> {
    await checkLease(configOf(call), call)
  },

  async gc(call: CniCall): Promise<void> {
    const isValid = readValidAttachments(call.conf.fields)
    await collectLeases(storeOf(call), isValid)
  },

  async status(call: CniCall): Promise<void> {
    try {
      await checkCapacity(configOf(call))
    } catch (error) {
      throw new CniError(cniCodes.notAvailable, (error as Error).message, { cause: error })
    }
  },
}

function configOf(call: CniCall): ReturnType<typeof loadIpamConfig> {
  return loadIpamConfig({ conf: call.conf.fields, cniArgs: call.args })
}

function storeOf({ conf }: CniCall): { dataDirectory: string; network: string } {
  return { dataDirectory: dataDirectoryOf(conf.fields.object('ipam')), network: conf.name }
}
