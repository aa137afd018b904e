import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { plugins } from '#cni'
import { handOver } from '../../cni/handover/client.ts'
import { supportedVersions as versions } from '../../cni/protocol/version.ts'
import { type CniOutput, Node } from './runtime.ts'

test('DEL and GC of whatever comes on stdin: an answer, with a code when it is a failure, and nothing removed', async (t) => {
  const node = new Node(t)
  await node.agent()
  const kept = node.conf({ ipMasq: true })
  t.is((await node.run(kept, { command: 'ADD', id: 'kept', netns: node.pod().path })).code, 0)
  const seed = 815
  const value = fc.oneof(fc.anything(), fc.constantFrom('', 0, -1, null, [], {}, '../../..', 'net', 'lo'))
  const text = fc.oneof(
    fc.json(),
    fc
      .record(
        {
          cniVersion: fc.oneof(fc.constant('1.1.0'), fc.constantFrom(...versions)),
          name: fc.constantFrom('other', 'other2'),
          bridge: value,
          vlan: value,
          mtu: value,
          dataDir: fc.constant(join(node.directory, 'fuzz')),
          ipam: fc.record({
            type: fc.constantFrom('host-local', 'static', ''),
            dataDir: fc.constant(join(node.directory, 'fuzz')),
            subnet: value,
            addresses: value,
          }),
          runtimeConfig: value,
          args: value,
          delegate: value,
          sysctl: value,
          prevResult: value,
          socket: fc.constant(node.socket),
          'cni.dev/valid-attachments': value,
        },
        { requiredKeys: ['cniVersion', 'name', 'ipam', 'dataDir', 'socket'] },
      )
      .map((conf) => JSON.stringify(conf) ?? ''),
  )
  const types = [...plugins.keys()]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(text, fc.constantFrom('DEL', 'GC'), fc.constantFrom(...types)), {
        minLength: 8,
        maxLength: 8,
      }),
      async (calls) => {
        const replies = await Promise.all(
          calls.map(([stdin, command, type]) => {
            const environment = {
              CNI_COMMAND: command,
              CNI_CONTAINERID: 'stranger',
              CNI_IFNAME: 'eth0',
              CNI_PATH: '/none',
            }
            return handOver(node.socket, { type, netns: node.netnsInode, environment, stdin })
          }),
        )
        for (const reply of replies) {
          if (reply.outcome !== 'replied') return t.fail(`the agent is ${reply.outcome}`)
          const { exitCode, stdout } = reply.reply
          if (exitCode === 0) continue
          const { code, msg } = JSON.parse(stdout) as CniOutput
          t.true(Number.isInteger(code) && typeof msg === 'string' && msg !== '', stdout)
        }
      },
    ),
    { seed, numRuns: 40 },
  )
  t.deepEqual(node.leases(), ['10.1.2.2'])
  t.is(node.links().length, 2)
  t.true(node.rulesWith('10.1.2.2').length > 0)
})

test('ADD, CHECK and STATUS of whatever comes on stdin: an answer; GC then leaves the one real pod', async (t) => {
  const node = new Node(t)
  await node.agent()
  const kept = node.conf({ ipMasq: true })
  t.is((await node.run(kept, { command: 'ADD', id: 'kept', netns: node.pod().path })).code, 0)
  const pod = node.pod()
  const junk = fc.oneof(
    fc.anything(),
    fc.constantFrom('', 0, -1, 2 ** 31, null, [], {}, '../..', 'lo', 'br0', true),
  )
  const flag = fc.oneof({ weight: 15, arbitrary: fc.boolean() }, { weight: 1, arbitrary: junk })
  const mostly = (...values: unknown[]) =>
    fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: junk })
  const address = { address: '10.9.0.3/24', interface: 0 }
  const link = { name: 'e0', sandbox: pod.path }
  const conf = fc.record(
    {
      cniVersion: fc.constantFrom('1.1.0', '1.0.0', '0.4.0', '0.2.0'),
      name: fc.constantFrom('other', 'other2'),
      bridge: mostly('brx', 'bry'),
      master: mostly('brx', 'lo'),
      isGateway: flag,
      isDefaultGateway: flag,
      ipMasq: flag,
      hairpinMode: flag,
      promiscMode: flag,
      macspoofchk: flag,
      snat: flag,
      mtu: mostly(1400, 70_000),
      dns: mostly({ nameservers: ['192.0.2.1'] }),
      mode: mostly('bridge'),
      ingressPolicy: mostly('open', 'isolated', 'same-bridge'),
      ipam: fc.record(
        {
          type: fc.constantFrom('host-local', 'static', ''),
          dataDir: fc.constant(join(node.directory, 'fuzz')),
          subnet: mostly('10.9.0.0/24', 'fd00:9::/64'),
          rangeStart: mostly('10.9.0.5'),
          gateway: mostly('10.9.0.1'),
          ranges: mostly([[{ subnet: '10.8.0.0/29' }]]),
          routes: mostly([{ dst: '0.0.0.0/0' }], [{ dst: '10.7.0.0/16', gw: '10.66.0.1' }]),
          addresses: mostly([{ address: '10.9.1.2/24' }]),
        },
        { requiredKeys: ['type', 'dataDir'] },
      ),
      runtimeConfig: fc.record({
        portMappings: mostly([{ hostPort: 9000, containerPort: 80, protocol: 'udp' }]),
        bandwidth: mostly({ ingressRate: 8000, ingressBurst: 8000, egressRate: 8000, egressBurst: 8000 }),
        mac: mostly('02:00:00:00:00:09'),
        ips: mostly(['10.9.0.9']),
      }),
      prevResult: mostly({ cniVersion: '1.0.0', interfaces: [link], ips: [address] }),
      delegate: mostly({ type: 'bridge' }),
      dataDir: fc.constant(join(node.directory, 'fuzz')),
      subnetFile: fc.constant(join(node.directory, 'none')),
      socket: fc.constant(node.socket),
    },
    { requiredKeys: ['cniVersion', 'name', 'ipam', 'dataDir', 'socket', 'subnetFile'] },
  )
  const types = [...plugins.keys()].filter((type) => type !== 'loopback')
  let calls = 0
  let added = 0
  const ask = async (command: string, type: string, stdin: string, ifname: string) => {
    const environment = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: 'stranger',
      CNI_IFNAME: ifname,
      CNI_NETNS: pod.path,
      CNI_PATH: '/none',
    }
    const reply = await handOver(node.socket, { type, netns: node.netnsInode, environment, stdin })
    if (reply.outcome !== 'replied') return t.fail(`the agent is ${reply.outcome}`)
    const { exitCode, stdout } = reply.reply
    if (exitCode === 0 && command === 'ADD') added += 1
    if (exitCode === 0) return
    const { code, msg } = JSON.parse(stdout) as CniOutput
    t.true(Number.isInteger(code) && typeof msg === 'string' && msg !== '', stdout)
    t.notRegex(msg ?? '', /is not a function|of undefined|of null|not iterable|BigInt/, `${type} ${stdin}`)
  }
  await fc.assert(
    fc.asyncProperty(
      conf.map((value) => JSON.stringify(value)),
      fc.constantFrom(...types),
      fc.subarray(['CHECK', 'STATUS', 'DEL'], { minLength: 1 }),
      async (text, type, more) => {
        calls += 1
        const ifname = `e${calls % 4}`
        for (const command of ['ADD', ...more]) await ask(command, type, text, ifname)
      },
    ),
    { seed: 816, numRuns: 150 },
  )
  t.log(`${added} of ${calls} ADDs succeeded`)
  t.true(added > 10)
  for (const name of ['other', 'other2']) {
    const ipam = { type: 'host-local', dataDir: join(node.directory, 'fuzz') }
    for (const type of ['plexus', 'firewall', 'ptp']) {
      const gc = { cniVersion: '1.1.0', name, type, bridge: 'brx', socket: node.socket, ipam }
      const collected = await node.run({ ...gc, 'cni.dev/valid-attachments': [] }, { command: 'GC' })
      t.is(collected.code, 0, collected.stdout)
    }
    t.deepEqual(node.rulesWith(`${name}/stranger`), [])
  }
  t.deepEqual(node.leases(), ['10.1.2.2'])
  const strangers = node.host
    .json<{ ifname: string; ifalias?: string }[]>('ip', '-j', 'link')
    .filter(({ ifalias = '' }) => ifalias.includes('stranger'))
  t.deepEqual(strangers, [])
  t.true(node.rulesWith('10.1.2.2').length > 0)
})
