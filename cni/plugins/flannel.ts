import { runDelegate } from '../delegate.ts'
import { barestConfiguration, delegateConfiguration } from '../flannel/delegation.ts'
import { KeptConfigurations } from '../flannel/kept.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import { type CniResult, decodeResult } from '../protocol/result.ts'
import { refuseWithoutOverlay, reportStatus } from '../protocol/status.ts'

type Json = Record<string, unknown>

/** Type `flannel`: configures another plugin (bridge, if nothing else is said) from the overlay's subnet file. */
export const flannelPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const conf = delegateConfiguration(call.conf.fields)
    keptBy(call).write(call, conf)
    const stdout = await delegate(call, conf, 'ADD')
    return decodeResult(JSON.parse(stdout), call.conf.cniVersion)
  },

  /** Works without the kept configuration as well: everything of an attachment is found by its name. */
  async del(call: CniCall): Promise<void> {
    const kept = keptBy(call)
    await delegate(call, kept.read(call) ?? barestConfiguration(call.conf.fields), 'DEL')
    kept.remove(call)
  },

  async check(call: CniCall): Promise<void> {
    const conf = keptBy(call).read(call) ?? delegateConfiguration(call.conf.fields)
    await delegate(call, { ...conf, prevResult: call.conf.fields.raw('prevResult') }, 'CHECK')
  },

  async gc(call: CniCall): Promise<void> {
    const isValid = readValidAttachments(call.conf.fields)
    const attachments =
      call.conf.fields.raw('cni.dev/valid-attachments') ?? call.conf.fields.raw('cni.dev/attachments')
    const conf = {
      ...barestConfiguration(call.conf.fields),
      'cni.dev/valid-attachments': attachments ?? [],
      'cni.dev/attachments': attachments ?? [],
    }
    await delegate(call, conf, 'GC')
    keptBy(call).collect(call.conf.name, isValid)
  },

  async status(call: CniCall): Promise<void> {
    await reportStatus(async () => {
      await delegate(call, delegateConfiguration(call.conf.fields), 'STATUS')
      refuseWithoutOverlay(call)
    })
  },
}

function delegate(call: CniCall, conf: Json, command: string): Promise<string> {
  return runDelegate(call, String(conf['type']), command, { text: JSON.stringify(conf) })
}

function keptBy({ conf }: CniCall): KeptConfigurations {
  return new KeptConfigurations(conf.fields.string('dataDir') || '/var/lib/cni/flannel')
}
