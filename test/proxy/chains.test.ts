import test from 'ava'
import fc from 'fast-check'
import { chainName, chainNumber, parseChainName, type SharedChain } from '../../proxy/model/chains.ts'

const entry = (counts: number, sticky: fc.Arbitrary<number>): fc.Arbitrary<SharedChain> =>
  fc
    .record({
      kind: fc.constantFrom('cluster' as const, 'external' as const, 'nodeport' as const),
      local: fc.boolean(),
      count: fc.integer({ min: 0, max: counts }),
      localCount: fc.integer({ min: 0, max: counts }),
      sticky,
    })
    // Only external traffic with policy Local chooses between two groups.
    .map((chain) => ({
      ...chain,
      localCount: chain.local && chain.kind !== 'cluster' ? chain.localCount : 0,
    }))

test('a chain says by its name all that it is', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(entry(65_536, fc.constantFrom(0, 1, 10_800, 86_400)), (chain) => {
        t.deepEqual(parseChainName(chainName(chain)), chain)
      }),
    ),
  )
})

test('chains have different numbers', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        entry(4095, fc.constantFrom(0, 10_800)),
        entry(4095, fc.constantFrom(0, 10_800)),
        (a, b) => (chainName(a) === chainName(b)) === (chainNumber(a) === chainNumber(b)),
      ),
    ),
  )
})

test('chains without an exact number are apart from those with one', (t) => {
  const common = { kind: 'cluster', local: false, localCount: 0 } as const
  t.true((chainNumber({ ...common, count: 4096, sticky: 0 }) ?? 0) >= 0x8000_0000)
  t.true((chainNumber({ ...common, count: 2, sticky: 60 }) ?? 0) >= 0x8000_0000)
  t.is(chainNumber({ ...common, count: 4095, sticky: 10_800 }), 0x1100_0fff)
  t.is(chainNumber({ ...common, kind: 'pick', count: 2, sticky: 0 }), undefined)
})
