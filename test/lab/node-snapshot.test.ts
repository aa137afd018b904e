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

test('an element that led to a collected chain is no loss; one that led to a chain still there is', (t) => {
  const element = 'ip t chains 01000030  {"verdict":"goto","chain":"lb-1"}'
  const before = { 'nftables elements': [element], ...rules('ip t lb-1 shared  1') }
  t.deepEqual(snapshotDifferences(before, { 'nftables elements': [], ...rules() }), [])
  const half = { 'nftables elements': [], ...rules('ip t lb-1 shared  1') }
  t.regex(snapshotDifferences(before, half)[0] ?? '', /elements: 1 lost/)
  const other = { 'nftables elements': ['ip t services 0a60  01000030'], ...rules() }
  t.regex(snapshotDifferences(other, { 'nftables elements': [], ...rules() })[0] ?? '', /elements: 1 lost/)
})
