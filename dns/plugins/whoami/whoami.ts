import type { Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import { addressFamily, type ResourceRecord, Type } from '../../wire/index.ts'

/** Tells the client its own address and port, in the additional section. */
export class WhoamiPlugin implements Plugin {
  readonly name = 'whoami'

  handle(query: Query): Outcome {
    const { clientAddress, clientPort, transport } = query.peer
    const owner = query.originalName
    const address = clientAddress.replace(/%.*$/, '')
    const fixed = { class: query.class, ttl: 0 }
    const records: ResourceRecord[] = [
      {
        kind: 'address',
        name: owner,
        type: addressFamily(address) === 6 ? Type.AAAA : Type.A,
        ...fixed,
        address,
      },
      {
        kind: 'srv',
        name: `_${transport === 'udp' ? 'udp' : 'tcp'}.${owner === '.' ? '' : owner}`,
        type: Type.SRV,
        ...fixed,
        priority: 0,
        weight: 0,
        port: clientPort,
        target: '.',
      },
    ]
    return new Reply({ authoritative: true, additional: records, plugin: this.name })
  }
}
