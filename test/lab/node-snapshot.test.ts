import test from 'ava'
import { snapshotDifferences } from '../../lab/tour/node-snapshot.ts'

const rules = (...lines: string[]) => ({ 'nftables rules': lines })

test('lost and added lines are told with an example', (t) => {
  const differences = snapshotDifferences({ links: ['a', 'b', 'b'] }, { links: ['b', 'c'] })
  t.deepEqual(differences, ['links: 2 lost, 1 more (-a, -b, +c)'])
  t.deepEqual(snapshotDifferences({ links: ['a'] }, { links: ['a'] }), [])
})

test('a shared chain that was collected whole is no loss; part of one, or of a base chain, is', (t) => {
  const before = rules('ip t lb-1 shared  1', 'ip t lb-1 shared  2', 'ip t nat hooked  3')
  t.deepEqual(snapshotDifferences(before, rules('ip t nat hooked  3')), [])
  t.regex(snapshotDifferences(before, rules('ip t lb-1 shared  1', 'ip t nat hooked  3'))[0] ?? '', /1 lost/)
  t.regex(snapshotDifferences(before, rules('ip t lb-1 shared  1', 'ip t lb-1 shared  2'))[0] ?? '', /1 lost/)
})
