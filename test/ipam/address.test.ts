import test from 'ava'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { formatAddress, formatSubnet, networkOf, parseAddress, parseSubnet, subnetContains } from '#ipam'

test('what is no address is refused', (t) => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '010.1.1.1',
    '256.1.1.1',
    'fe80::1%eth0',
    ':::',
    '1::2::3',
    'x',
  ]) {
    t.is(parseAddress(text), undefined, text)
  }
  for (const text of [
    '10.1.2.0',
    '10.1.2.0/33',
    '10.1.2.0/-1',
    '10.1.2.0/024',
    'fd00::/129',
    '10.0.0.0/8/8',
    '/8',
  ]) {
    t.is(parseSubnet(text), undefined, text)
  }
})

test('IPv4-mapped addresses are IPv4', (t) => {
  t.deepEqual(parseAddress('::ffff:10.1.2.3'), parseAddress('10.1.2.3'))
})

test('formatting agrees with ipaddr.js, and parsing takes it back', (t) => {
  const seed = 20261121
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 }),
      (groups) => {
        const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)
        if (value >> 32n === 0xffffn) return
        const text = formatAddress({ family: 6, value })
        t.is(text, ipaddr.IPv6.parse(groups.map((group) => group.toString(16)).join(':')).toRFC5952String())
        t.deepEqual(parseAddress(text), { family: 6, value })
      },
    ),
    { seed, numRuns: 500 },
  )
})

test('a network contains what lies between its ends', (t) => {
  const subnet = parseSubnet('10.1.2.3/22')
  const address = (text: string) => parseAddress(text) ?? t.fail(text)
  if (subnet === undefined) return t.fail()
  t.is(formatSubnet({ ...subnet, address: networkOf(subnet) }), '10.1.0.0/22')
  t.true(subnetContains(subnet, address('10.1.3.255') as never))
  t.false(subnetContains(subnet, address('10.1.4.0') as never))
  t.false(subnetContains(subnet, address('fd00::') as never))
})
