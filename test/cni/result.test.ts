import test from 'ava'
import {
  type CniResult,
  decodeResult,
  emptyResult,
  encodeResult,
  shapeResult,
} from '../../cni/protocol/result.ts'
import { supportedVersions as versions } from '../../cni/protocol/version.ts'

const full: CniResult = {
  interfaces: [
    { name: 'br0', mac: '02:00:00:00:00:01', mtu: 1450 },
    { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/x' },
  ],
  ips: [
    { address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 0 },
    { address: 'fd00::3/64', gateway: 'fd00::1', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.2.1', mtu: 1400 },
    { dst: '::/0', gw: 'fd00::1' },
  ],
  dns: { nameservers: ['192.0.2.0'] },
}

test('result shapes of the versions', (t) => {
  const text = (version: string): unknown => JSON.parse(encodeResult(full, version))
  t.like(text('0.2.0'), {
    cniVersion: '0.2.0',
    ip4: { ip: '10.1.2.3/24', gateway: '10.1.2.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }] },
    ip6: { ip: 'fd00::3/64', routes: [{ dst: '::/0', gw: 'fd00::1' }] },
    interfaces: undefined,
  })
  t.like(text('0.4.0'), {
    ips: [
      { version: '4', interface: 0, address: '10.1.2.3/24' },
      { version: '6', interface: 1 },
    ],
    interfaces: [{ name: 'br0', mtu: undefined }, { sandbox: '/run/netns/x' }],
  })
  t.like(text('1.1.0'), { ips: [{ version: undefined, interface: 0 }], interfaces: [{ mtu: 1450 }] })
  t.false('dns' in shapeResult(emptyResult, '1.0.0'))
  t.true('dns' in shapeResult(emptyResult, '0.4.0'))
  t.throws(() => encodeResult(emptyResult, '0.2.0'), { message: 'cannot convert: no valid IP addresses' })
  t.regex(encodeResult(full, '1.0.0'), /^\{\n {4}"cniVersion": "1\.0\.0",\n/)
  t.false(encodeResult(full, '1.0.0').endsWith('\n'))
})

test('results come back from every shape with what it has room for', (t) => {
  for (const version of versions) {
    const back = decodeResult(JSON.parse(encodeResult(full, version)), version)
    t.deepEqual(
      back.ips.map(({ address, gateway }) => [address, gateway]),
      full.ips.map(({ address, gateway }) => [address, gateway]),
    )
    t.deepEqual(
      back.routes.map(({ dst, gw }) => [dst, gw]),
      full.routes.map(({ dst, gw }) => [dst, gw]),
    )
    t.deepEqual(back.dns, full.dns)
  }
  t.throws(() => decodeResult({ cniVersion: '7.0.0' }, '1.0.0'), {
    message: 'no converter for CNI result version 7.0.0 to 1.1.0',
  })
})
