import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  type AllocateOptions,
  allocate,
  checkCapacity,
  checkLease,
  collectLeases,
  Fields,
  leasesOf,
  loadIpamConfig,
  release,
} from '#ipam'
import { tryCommand } from '../support/command.ts'
import { testDirectory } from '../support/directory.ts'
import type { Teardown } from '../support/namespace.ts'

/** A network's leases in a directory of the test's own. */
function network(t: Teardown, ipam: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const dataDir = testDirectory(t, 'ipam')
  const json = {
    cniVersion: '1.0.0',
    name: 'net',
    type: 'bridge',
    ...more,
    ipam: { type: 'host-local', dataDir, ...ipam },
  }
  const config = loadIpamConfig({ conf: new Fields(json, ''), cniArgs: '' })
  const directory = join(dataDir, 'net')
  return {
    config,
    directory,
    add: async (containerID: string, options?: AllocateOptions) =>
      (await allocate(config, { containerID, ifname: 'eth0' }, options)).ips.map(({ address }) => address),
    del: (containerID: string) => release(config, { containerID, ifname: 'eth0' }),
    leases: () =>
      readdirSync(directory)
        .filter((name) => /^[0-9a-f.:]+$/.test(name))
        .sort(),
    /** The reference plugin on the same directory. */
    reference: (command: string, containerID: string, ifname = 'eth0') =>
      tryCommand(['/usr/lib/cni/host-local'], {
        input: JSON.stringify(json),
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerID,
          CNI_IFNAME: ifname,
          CNI_NETNS: '/x',
          CNI_PATH: '/usr/lib/cni',
        },
      }),
  }
}

test('files are byte for byte those of the reference plugin', async (t) => {
  const ours = network(t, { subnet: '10.1.2.0/24' })
  const theirs = network(t, { subnet: '10.1.2.0/24' })
  await ours.add('c1')
  t.is(theirs.reference('ADD', 'c1').status, 0)
  t.deepEqual(readdirSync(ours.directory).sort(), readdirSync(theirs.directory).sort())
  for (const name of readdirSync(ours.directory)) {
    t.is(
      readFileSync(join(ours.directory, name), 'latin1'),
      readFileSync(join(theirs.directory, name), 'latin1'),
      name,
    )
  }
  t.is(readFileSync(join(ours.directory, '10.1.2.2'), 'latin1'), 'c1\r\neth0')
})

test('a /29 gives .2 to .6, then says that it is exhausted, then the freed address', async (t) => {
  const net = network(t, { subnet: '192.168.1.0/29' })
  for (const last of [2, 3, 4, 5, 6]) t.deepEqual(await net.add(`c${last}`), [`192.168.1.${last}/29`])
  const exhausted =
    'failed to allocate for range 0: no IP addresses available in range set: 192.168.1.1-192.168.1.6'
  await t.throwsAsync(net.add('c7'), { code: 'IPAM_EXHAUSTED', message: exhausted })
  await t.throwsAsync(checkCapacity(net.config), { code: 'IPAM_EXHAUSTED' })
  t.deepEqual(await net.del('c4'), ['192.168.1.4'])
  await checkCapacity(net.config)
  t.deepEqual(await net.add('c8'), ['192.168.1.4/29'])
})

test('addresses go round before one is reused, over all ranges of a set', async (t) => {
  const net = network(t, {
    ranges: [
      [
        { subnet: '10.1.0.0/29', rangeEnd: '10.1.0.3' },
        { subnet: '10.2.0.0/29', rangeStart: '10.2.0.5' },
      ],
    ],
  })
  const given: string[] = []
  for (let i = 0; i < 6; i += 1) {
    given.push(...(await net.add('c')))
    await net.del('c')
  }
  t.deepEqual(given, [
    '10.1.0.2/29',
    '10.1.0.3/29',
    '10.2.0.5/29',
    '10.2.0.6/29',
    '10.1.0.2/29',
    '10.1.0.3/29',
  ])
})

test('one address of each set, all or none', async (t) => {
  const net = network(t, { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/126' }]] })
  t.deepEqual(await net.add('c1'), ['10.1.2.2/24', 'fd00:1::2/126'])
  t.deepEqual(await net.add('c2'), ['10.1.2.3/24', 'fd00:1::3/126'])
  await t.throwsAsync(net.add('c3'), {
    message: /^failed to allocate for range 1: no IP addresses available/,
  })
  t.deepEqual(net.leases(), ['10.1.2.2', '10.1.2.3', 'fd00:1::2', 'fd00:1::3'])
})

test('requested addresses: taken, in use, the gateway, outside', async (t) => {
  const request = (ip: string) => network(t, { subnet: '10.1.2.0/24' }, { runtimeConfig: { ips: [ip] } })
  const net = request('10.1.2.88')
  t.deepEqual(await net.add('c1'), ['10.1.2.88/24'])
  await t.throwsAsync(net.add('c2'), {
    message:
      'failed to allocate for range 0: requested IP address 10.1.2.88 is not available in range set 10.1.2.1-10.1.2.254',
  })
  await t.throwsAsync(request('10.1.2.1').add('c'), {
    message: "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway",
  })
  const outside = request('10.1.9.9')
  await t.throwsAsync(outside.add('c'), { message: 'failed to allocate all requested IPs: 10.1.9.9' })
  t.deepEqual(outside.leases(), [])
})

test('a second ADD of the same owner is refused and takes nothing away', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  await t.throwsAsync(net.add('c1'), {
    code: 'IPAM_DUPLICATE',
    message:
      'failed to allocate for range 0: 10.1.2.2 has been allocated to c1, duplicate allocation is not allowed',
  })
  t.deepEqual(net.leases(), ['10.1.2.2'])
})

test('an empty file of a crashed program does not keep its address', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/29' })
  await net.add('c1')
  for (const last of [3, 4, 5]) writeFileSync(join(net.directory, `10.1.2.${last}`), last === 4 ? '\r\n' : '')
  t.deepEqual(await net.add('c2'), ['10.1.2.3/29'])
  t.is(readFileSync(join(net.directory, '10.1.2.3'), 'latin1'), 'c2\r\neth0')
  await collectLeases(net.config, () => true)
  t.deepEqual(net.leases(), ['10.1.2.2', '10.1.2.3'])
})

test('what the reference plugin does between our calls is seen, even within one clock tick', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  t.is(net.reference('ADD', 'c2').status, 0)
  await t.throwsAsync(net.add('c2'), { code: 'IPAM_DUPLICATE' })
  t.deepEqual(await leasesOf(net.config, { containerID: 'c2', ifname: 'eth0' }), ['10.1.2.3'])
  t.is(net.reference('DEL', 'c1').status, 0)
  t.deepEqual(await leasesOf(net.config, { containerID: 'c1', ifname: 'eth0' }), [])
  t.deepEqual(await net.del('c2'), ['10.1.2.3'])
  t.deepEqual(await net.add('c3'), ['10.1.2.4/24'])
  t.is(net.reference('CHECK', 'c3').status, 0)
  t.is(net.reference('DEL', 'c3').status, 0)
  t.deepEqual(net.leases(), [])
})

test('leases of ancient versions, which name the container only, are found and released', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  writeFileSync(join(net.directory, '10.1.2.77'), ' old \n')
  t.deepEqual(await leasesOf(net.config, { containerID: 'old', ifname: 'eth0' }), ['10.1.2.77'])
  t.deepEqual(await net.del('old'), ['10.1.2.77'])
  t.deepEqual(net.leases(), ['10.1.2.2'])
})

test('release looks at container and interface, and an unknown owner is fine', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await allocate(net.config, { containerID: 'c1', ifname: 'eth0' })
  await allocate(net.config, { containerID: 'c1', ifname: 'net1' })
  t.deepEqual(await release(net.config, { containerID: 'c1', ifname: 'net1' }), ['10.1.2.3'])
  t.deepEqual(await release(net.config, { containerID: 'nobody', ifname: 'eth0' }), [])
  t.deepEqual(net.leases(), ['10.1.2.2'])
})

test('CHECK: an owner with its address, without it, without any', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  const owner = { containerID: 'c1', ifname: 'eth0' }
  await t.notThrowsAsync(checkLease(net.config, owner, ['10.1.2.2']))
  await t.throwsAsync(checkLease(net.config, owner, ['10.1.2.9']), { code: 'IPAM_NOT_FOUND' })
  await net.del('c1')
  await t.throwsAsync(checkLease(net.config, owner), {
    message: 'host-local: Failed to find address added by container c1',
  })
})

test('an exhausted pool takes back the leases of owners that are dead, and only those', async (t) => {
  const net = network(t, { subnet: '192.168.1.0/29' })
  for (const name of ['alive', 'dead1', 'alive2', 'dead2', 'alive3'])
    await net.add(name, { detail: { name } })
  const isDead: AllocateOptions['isDead'] = ({ evidence }) =>
    evidence?.detail?.['name']?.startsWith('dead') ?? false
  t.regex((await net.add('new', { isDead })).join(), /^192\.168\.1\.[35]\/29$/)
  t.is(net.leases().length, 4)
  t.is((await leasesOf(net.config, { containerID: 'alive2', ifname: 'eth0' })).length, 1)
})

test('a dead owner that comes back gets an address instead of a complaint', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  t.deepEqual(await net.add('c1', { isDead: () => true }), ['10.1.2.3/24'])
  t.deepEqual(net.leases(), ['10.1.2.3'])
})

test('evidence is about the very files it was written for', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1', { detail: { seen: 'yes' } })
  // The same owner and address, but given anew by another program: what we knew says nothing about it.
  const path = join(net.directory, '10.1.2.2')
  const text = readFileSync(path)
  rmSync(path)
  writeFileSync(path, text)
  utimesSync(path, 1, 1)
  await t.throwsAsync(net.add('c1', { isDead: ({ evidence }) => evidence?.detail?.['seen'] === 'yes' }), {
    code: 'IPAM_DUPLICATE',
  })
})

test('a lost or damaged index is built anew', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  await net.add('c1')
  const side = join(net.directory, '..', '.plexus', 'net')
  for (const name of readdirSync(side)) writeFileSync(join(side, name), 'garbage')
  t.deepEqual(await leasesOf(net.config, { containerID: 'c1', ifname: 'eth0' }), ['10.1.2.2'])
  rmSync(side, { recursive: true })
  t.deepEqual(await net.del('c1'), ['10.1.2.2'])
  t.false(existsSync(join(net.directory, '10.1.2.2')))
})

test('allocations side by side never meet', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  const given = await Promise.all(Array.from({ length: 60 }, (_, index) => net.add(`c${index}`)))
  t.is(new Set(given.flat()).size, 60)
  await Promise.all(Array.from({ length: 60 }, (_, index) => net.del(`c${index}`)))
  t.deepEqual(net.leases(), [])
})

test('thousands of leases are not read for one more', async (t) => {
  const net = network(t, { subnet: '10.1.0.0/16' })
  await net.add('first')
  for (let i = 0; i < 3000; i += 1) {
    writeFileSync(join(net.directory, `10.1.${100 + (i >> 8)}.${i & 255}`), `x${i}\r\neth0`)
  }
  await net.add('second')
  const reads = () => Number(/^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  const before = reads()
  await net.add('third')
  await net.del('third')
  t.true(reads() - before < 20_000, `${reads() - before} bytes were read for one ADD and DEL`)
})

test('what is no file is not free', async (t) => {
  const net = network(t, { subnet: '10.1.2.0/24' })
  mkdirSync(join(net.directory, '10.1.2.2'), { recursive: true })
  t.deepEqual(await net.add('c1'), ['10.1.2.3/24'])
  t.deepEqual(await net.del('c1'), ['10.1.2.3'])
  t.deepEqual(net.leases(), ['10.1.2.2'])
})
