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
