import test from 'ava'
import { waitUntil } from '../support/wait.ts'
import { Node } from './runtime.ts'

test('rules that somebody else flushes come back, and only those of living pods', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = (hostPort: number) =>
    node.conf({
      isDefaultGateway: true,
      ipMasq: true,
      runtimeConfig: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
    })
  const pods = [node.pod(), node.pod()]
  for (const [index, pod] of pods.entries()) {
    const added = await node.run(conf(8080 + index), { command: 'ADD', id: `c${index}`, netns: pod.path })
    t.is(added.code, 0, added.stdout)
  }
  const listing = () => node.host.nft('list', 'ruleset')
  const before = listing()
  const damages: [string, string[]][] = [
    ['the whole ruleset', ['flush', 'ruleset']],
    ['the table', ['delete', 'table', 'ip', 'plexus-cni']],
    ['the rules of a chain', ['flush', 'chain', 'ip', 'plexus-cni', 'postrouting']],
    ['the elements of a map', ['flush', 'map', 'ip', 'plexus-cni', 'hostports']],
  ]
  for (const [what, command] of damages) {
    node.host.nft(...command)
    await waitUntil(() => sorted(listing()) === sorted(before), { what: `${what} to come back` })
  }
  t.is((await node.run(conf(8080), { command: 'DEL', id: 'c0' })).code, 0)
  node.host.nft('flush', 'ruleset')
  await waitUntil(() => listing().includes('8081'), { what: 'the other pod to come back' })
  t.false(listing().includes('net/c0'))
})

test('an agent that starts finds the rules gone and restores them', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const conf = node.conf({ isDefaultGateway: true, ipMasq: true })
  t.is((await node.run(conf, { command: 'ADD', netns: pod.path })).code, 0)
  node.host.nft('flush', 'ruleset')
  await node.agent()
  await waitUntil(() => node.rulesWith('10.1.2.2').length > 0, { what: 'the rules' })
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  t.deepEqual(node.rulesWith('net/'), [])
})

test('a veth whose ADD was killed before it had its alias goes with DEL, and with GC', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({ cniVersion: '1.1.0' })
  const pods = [node.pod(), node.pod()]
  for (const [index, pod] of pods.entries()) {
    const added = await node.run(conf, { command: 'ADD', id: `c${index}`, netns: pod.path })
    // As it was between the two messages: the group of the new-born, no alias yet.
    node.host.run(
      'ip',
      'link',
      'set',
      added.json.interfaces?.[1]?.name ?? '',
      'alias',
      '',
      'group',
      String(0x50580002),
    )
  }
  t.is((await node.run(conf, { command: 'DEL', id: 'c0' })).code, 0)
  t.is(node.links().length, 2)
  t.is((await node.run({ ...conf, 'cni.dev/valid-attachments': [] }, { command: 'GC' })).code, 0)
  t.deepEqual(node.links(), ['br0'])
})

/** Sets list their elements in an order of their own. */
function sorted(listing: string): string {
  return listing
    .split(/[\n,{}]/)
    .map((part) => part.trim())
    .sort()
    .join('\n')
}
