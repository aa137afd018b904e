import test from 'ava'
import { Fields } from '#ipam'
import { portVlans, readVlans } from '../../cni/bridge/vlan.ts'
import { MessageWriter } from '../../netlink/codec/writer.ts'
import { writePortVlans } from '../../netlink/route/bridge-vlan.ts'

const read = (conf: object) => readVlans(new Fields(conf, ''))

test('vlan settings: what a port joins and leaves', (t) => {
  t.is(read({}), undefined)
  t.is(read({ vlan: 0, vlanTrunk: [] }), undefined)
  const of = (conf: object) =>
    portVlans(read(conf) ?? t.fail() ?? { vlan: 0, trunk: [], preserveDefault: false })
  t.deepEqual(of({ vlan: 100 }), {
    add: [{ first: 100, pvid: true, untagged: true }],
    remove: [{ first: 1 }],
  })
  t.deepEqual(of({ vlan: 100, preserveDefaultVlan: true }).remove, [])
  t.deepEqual(of({ vlan: 1 }).remove, [])
  t.deepEqual(of({ vlan: 100, vlanTrunk: [{ id: 101 }, { minID: 200, maxID: 210 }] }).add, [
    { first: 100, pvid: true, untagged: true },
    { first: 101 },
    { first: 200, last: 210 },
  ])
})

test('vlan settings: texts of the reference plugin', (t) => {
  const message = (conf: object) => t.throws(() => read(conf))?.message
  for (const vlan of [5000, -1])
    t.is(message({ vlan }), `invalid VLAN ID ${vlan} (must be between 0 and 4094)`)
  const trunk = (entry: object) => message({ vlanTrunk: [entry] })
  t.is(trunk({ minID: 1 }), 'minID and maxID should be configured simultaneously, maxID is missing')
  t.is(trunk({ maxID: 1 }), 'minID and maxID should be configured simultaneously, minID is missing')
  t.is(trunk({ minID: 5, maxID: 4 }), 'minID is greater than maxID in trunk parameter')
  t.is(trunk({ minID: 0, maxID: 4 }), 'incorrect trunk minID parameter')
  t.is(trunk({ minID: 1, maxID: 4095 }), 'incorrect trunk maxID parameter')
  t.is(trunk({ id: 4095 }), 'incorrect trunk id parameter')
})

test('vlan messages: bytes as `bridge vlan add dev X vid 100 pvid untagged` and a range send them', (t) => {
  const writer = new MessageWriter()
  writePortVlans(writer, 7, [
    { first: 100, pvid: true, untagged: true },
    { first: 200, last: 210 },
  ])
  t.is(
    Buffer.from(writer.bytes()).toString('hex'),
    // ifinfomsg AF_BRIDGE index 7; IFLA_AF_SPEC { flags MASTER; 100 pvid untagged; 200 begin; 210 end }
    [
      '07000000',
      '07000000',
      '00000000',
      '00000000',
      '24001a80',
      '0600000001000000',
      '0800020006006400',
      '080002000800c800',
      '080002001000d200',
    ].join(''),
  )
})
