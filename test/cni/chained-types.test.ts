import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { addressesOn, binDirectory, linkIn, Node, referenceDirectory } from './runtime.ts'

interface Tuned {
  address: string
  mtu: number
  txqlen: number
  flags: string[]
  promiscuity: number
}

test('tuning: sysctls and settings of the interface, CHECK, and back again with DEL, as the reference plugin', async (t) => {
  for (const directory of [binDirectory, referenceDirectory]) {
    const node = new Node(t)
    const pod = node.pod()
    const bridge = await node.run(node.conf({ type: 'bridge' }), { command: 'ADD', netns: pod.path })
    const conf = {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'tuning',
      dataDir: join(node.directory, 'tuning'),
      sysctl: {
        'net.core.somaxconn': '500',
        // The reference plugin's CHECK looks for an interface called IFNAME.
        [directory === binDirectory ? 'net/ipv4/conf/IFNAME/arp_filter' : 'net/ipv4/conf/eth0/arp_filter']:
          '1',
      },
      mac: '02:00:00:00:00:aa',
      mtu: 1300,
      promisc: true,
      allmulti: true,
      prevResult: bridge.json,
    }
    const look = () => pod.json<Tuned[]>('ip', '-d', '-j', 'link', 'show', 'dev', 'eth0')[0]
    const before = look()
    const call = { command: 'ADD', netns: pod.path }
    const added = await node.run(conf, call, directory)
    t.is(added.code, 0, added.stdout)
    t.is(added.json.interfaces?.find(({ sandbox }) => sandbox === pod.path)?.mac, '02:00:00:00:00:aa')
    const tuned = look()
    t.like(tuned, { address: '02:00:00:00:00:aa', mtu: 1300 })
    t.true(tuned?.flags.includes('PROMISC'))
    t.true(tuned?.flags.includes('ALLMULTI'))
    t.is(pod.run('cat', '/proc/sys/net/core/somaxconn').trim(), '500')
    t.is(pod.run('cat', '/proc/sys/net/ipv4/conf/eth0/arp_filter').trim(), '1')
    const check = { ...conf, prevResult: added.json }
    const checked = await node.run(check, { ...call, command: 'CHECK' }, directory)
    t.is(checked.code, 0, checked.stdout)
    pod.run('ip', 'link', 'set', 'eth0', 'mtu', '1200')
    t.not((await node.run(check, { ...call, command: 'CHECK' }, directory)).code, 0)
    t.is((await node.run(conf, { ...call, command: 'DEL' }, directory)).code, 0)
    t.like(look(), { address: before?.address, mtu: before?.mtu })
    t.false(existsSync(join(node.directory, 'tuning', 'c1_eth0.json')))
  }
})

test('tuning: only settings of the pod, each once, are taken', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const prevResult = { cniVersion: '1.0.0', interfaces: [], ips: [] }
  const add = async (sysctl: object, more: object = {}) => {
    const conf = { cniVersion: '1.0.0', name: 'net', type: 'tuning', sysctl, prevResult, ...more }
    return (await node.run(conf, { command: 'ADD', netns: pod.path })).json.msg ?? ''
  }
  t.regex(await add({ 'kernel.pid_max': '1' }), /invalid net sysctl key: "kernel.pid_max"/)
  t.regex(await add({ 'net/../kernel/pid_max': '1' }), /invalid sysctl key/)
  t.regex(await add({ 'net.core.nosuch': '1' }), /failed to set sysctl net.core.nosuch=1/)
  const args = { args: { cni: { sysctl: { 'net.core.somaxconn': '2' } } } }
  t.regex(await add({ 'net.core.somaxconn': '1' }, args), /duplicate sysctl key "net.core.somaxconn"/)
})

test('macvlan: an interface on a device of the host, with addresses, as the reference plugin', async (t) => {
  for (const directory of [binDirectory, referenceDirectory]) {
    const node = new Node(t)
    node.host.run('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1')
    for (const end of ['up0', 'up1']) node.host.run('ip', 'link', 'set', end, 'up')
    const pods = [node.pod(), node.pod()]
    const conf = node.conf({ type: 'macvlan', master: 'up0', mtu: 1400, bcqueuelen: 200 })
    for (const [index, pod] of pods.entries()) {
      const call = { command: 'ADD', id: `c${index}`, netns: pod.path }
      const added = await node.run(conf, call, directory)
      t.is(added.code, 0, added.stdout)
      t.deepEqual(addressesOn(pod, 'eth0'), [`10.1.2.${index + 2}/24`])
      if (directory === binDirectory) {
        t.regex(pod.run('ip', '-d', 'link', 'show', 'eth0'), /bcqueuelen 200/)
      }
      t.like(linkIn(pod, 'eth0'), { mtu: 1400, linkinfo: { info_kind: 'macvlan' } })
      const check = await node.run(
        { ...conf, prevResult: added.json },
        { ...call, command: 'CHECK' },
        directory,
      )
      t.is(check.code, 0, check.stdout)
    }
    t.is(pods[0]?.try('ping', '-c', '1', '-W', '5', '10.1.2.3').status, 0)
    for (const [index, pod] of pods.entries()) {
      t.is((await node.run(conf, { command: 'DEL', id: `c${index}`, netns: pod.path }, directory)).code, 0)
      t.is(linkIn(pod, 'eth0'), undefined)
    }
    t.deepEqual(node.leases(), [])
  }
})

test('macvlan: mistakes are named and leave nothing', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  node.host.run('ip', 'link', 'add', 'up0', 'mtu', '1400', 'type', 'veth', 'peer', 'name', 'up1')
  const add = async (more: object) =>
    (
      await node.run(node.conf({ type: 'macvlan', master: 'up0', ...more }), {
        command: 'ADD',
        netns: pod.path,
      })
    ).json
  t.regex((await add({ master: 'nosuch' })).msg ?? '', /failed to lookup master "nosuch"/)
  t.regex((await add({ master: undefined })).msg ?? '', /no default route interface/)
  t.regex((await add({ mode: 'x' })).msg ?? '', /unknown macvlan mode: "x"/)
  t.regex((await add({ mtu: 1500 })).msg ?? '', /invalid MTU 1500, must be \[0, master MTU\(1400\)\]/)
  t.is(linkIn(pod, 'eth0'), undefined)
  t.deepEqual(node.leases(), [])
})

test('firewall: same-bridge keeps pods of two bridges apart, and lets each bridge talk', async (t) => {
  const node = new Node(t)
  await node.agent()
  const pods = [node.pod(), node.pod()]
  const confs = [1, 2].map((n) => {
    const conf = node.conf(
      { type: 'bridge', name: `net${n}`, bridge: `br${n}`, isDefaultGateway: true },
      { subnet: `10.1.${n}.0/24` },
    )
    return {
      conf,
      firewall: { cniVersion: '1.0.0', name: `net${n}`, type: 'firewall', ingressPolicy: 'same-bridge' },
    }
  })
  const results: object[] = []
  for (const [index, { conf }] of confs.entries()) {
    const added = await node.run(conf, { command: 'ADD', netns: pods[index]?.path ?? '' })
    t.is(added.code, 0, added.stdout)
    results.push(added.json)
  }
  const reaches = () => pods[0]?.try('ping', '-c', '1', '-W', '1', '10.1.2.2').status === 0
  t.true(reaches())
  const run = (index: number, command: string) =>
    node.run(
      { ...confs[index]?.firewall, prevResult: results[index] },
      { command, netns: pods[index]?.path ?? '' },
    )
  t.is((await run(0, 'CHECK')).code, 1)
  for (const index of [0, 1]) {
    const added = await run(index, 'ADD')
    t.is(added.code, 0, added.stdout)
    t.is((await run(index, 'CHECK')).code, 0)
  }
  t.false(reaches())
  t.is(pods[0]?.try('ping', '-c', '1', '-W', '5', '10.1.1.1').status, 0)
  t.is((await run(0, 'DEL')).code, 0)
  t.is((await run(0, 'DEL')).code, 0)
  t.is((await run(0, 'CHECK')).code, 1)
  t.is((await run(1, 'CHECK')).code, 0)
})

test('firewall: what is not honoured is refused by name', async (t) => {
  const node = new Node(t)
  const prevResult = { cniVersion: '1.0.0', interfaces: [], ips: [] }
  const add = async (more: object) =>
    (
      await node.run(
        { cniVersion: '1.0.0', name: 'net', type: 'firewall', prevResult, ...more },
        { command: 'ADD', netns: node.pod().path },
      )
    ).json
  t.like(await add({ backend: 'firewalld' }), { code: 2 })
  t.like(await add({ iptablesAdminChainName: 'X' }), { code: 2 })
  t.regex((await add({ backend: 'x' })).msg ?? '', /unrecognized firewall backend "x"/)
  t.regex((await add({ ingressPolicy: 'x' })).msg ?? '', /unrecognized ingress policy: "x"/)
  t.regex((await add({ ingressPolicy: 'isolated' })).msg ?? '', /needs a bridge/)
})

test('macspoofchk: frames under another address are dropped; DEL and GC end the check', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({ type: 'bridge', cniVersion: '1.1.0', isGateway: true, macspoofchk: true })
  const reaches = (pod: ReturnType<Node['pod']>) =>
    pod.try('ping', '-c', '1', '-W', '1', '10.1.2.1').status === 0
  for (const [id, end] of [
    ['c1', { command: 'DEL', id: 'c1' }],
    ['c2', { command: 'GC' }],
  ] as const) {
    const pod = node.pod()
    const added = await node.run(conf, { command: 'ADD', id, netns: pod.path })
    t.is(added.code, 0, added.stdout)
    const check = await node.run(
      { ...conf, prevResult: added.json },
      { command: 'CHECK', id, netns: pod.path },
    )
    t.is(check.code, 0, check.stdout)
    t.true(reaches(pod))
    pod.run('ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:99')
    node.host.run('ip', 'neigh', 'flush', 'dev', 'br0')
    t.false(reaches(pod))
    t.true(node.host.nft('list', 'table', 'bridge', 'plexus-cni').includes(`net/${id}/eth0`))
    const ended = await node.run({ ...conf, 'cni.dev/valid-attachments': [] }, { netns: pod.path, ...end })
    t.is(ended.code, 0, ended.stdout)
    t.false(node.host.nft('list', 'table', 'bridge', 'plexus-cni').includes(`net/${id}/eth0`))
  }
})
