import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type AttachmentKey, aliasOf } from '../attachment.ts'
import type { CniCall } from '../protocol/plugin.ts'
import type { Publication } from './publish.ts'

/** Types that publish. A directory listing instead would cost more with every pod. */
const publishers = ['plexus', 'bridge', 'portmap', 'ptp']

/**
 * What was published for each attachment, beside the agent's socket (on a tmpfs: a reboot takes pods and rules
 * together). From it the agent restores rules that somebody else has flushed.
 */
export class RememberedPods {
  readonly #directory: string
  readonly #type: string

  /** `type` is the plugin that publishes: an interface plugin and portmap may both publish for one attachment. */
  constructor(socketPath: string, type = '') {
    this.#type = type
    this.#directory = join(dirname(socketPath), 'published')
  }

  /** Those of the agent that a call's configuration names. */
  static of({ conf }: CniCall): RememberedPods {
    return new RememberedPods(conf.fields.string('socket') || '/run/plexus/cni.sock', conf.type)
  }

  /** A pod without masquerading and ports is none to remember. */
  remember(key: AttachmentKey, publication: Publication): void {
    const { ips, ipMasq, portMappings, masqueradeSources, bridge, clusterNetworks } = publication
    if (!ipMasq && portMappings.length === 0) return
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const path = join(this.#directory, `${digestOf(key)}-${this.#type}.json`)
    const { network, containerID, ifname } = key
    const kept = {
      network,
      containerID,
      ifname,
      ips,
      ipMasq,
      portMappings,
      masqueradeSources,
      bridge,
      clusterNetworks,
    }
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(kept), { mode: 0o600 })
    renameSync(`${path}.${process.pid}`, path)
  }

  /** Forgets what any plugin has published for the attachment. */
  forget(key: AttachmentKey): void {
    const digest = digestOf(key)
    for (const type of new Set([...publishers, this.#type])) {
      const path = join(this.#directory, `${digest}-${type}.json`)
      // Most pods publish nothing: the look is cheaper than an exception.
      if (!existsSync(path)) continue
      try {
        unlinkSync(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }

  /** Unreadable files are left out: the pod's next operation writes or removes them. */
  all(): { key: AttachmentKey; publication: Publication }[] {
    return this.#names()
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => {
        try {
          const text = readFileSync(join(this.#directory, name), 'utf8')
          const kept = JSON.parse(text) as AttachmentKey & Publication
          return [{ key: kept, publication: kept }]
        } catch {
          return []
        }
      })
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory)
    } catch {
      return []
    }
  }
}

function digestOf(key: AttachmentKey): string {
  return createHash('sha256').update(aliasOf(key)).digest('hex').slice(0, 32)
}
