/** Counts in shared memory (descriptor 4) as worker processes of the gateway do; started by sharing.test.ts. */
import { LocalConnections } from '../../../ingress/plugins/limit-conn/connections.ts'
import { SharedRecords, sharedBytes } from '../../../ingress/sharing/index.ts'
import { mapSharedMemory } from '../../../netlink/shared-memory.ts'

const [number = '1', times = '0', buckets = '1'] = process.argv.slice(2)
const bytes = sharedBytes(Number(buckets))
const records = new SharedRecords(mapSharedMemory(4, bytes), { process: Number(number) })
const counters = records.within('counters')
for (let n = 0; n < Number(times); n++)
  counters.update(`key ${n % 5}`, (record) => record.set(0, record.get(0) + 1))
const running = new LocalConnections(records.within('connections'))
for (let n = 0; n < 3; n++) running.enter('key', 100)
process.send?.('done')
