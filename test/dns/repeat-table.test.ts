/** Answers given again from octets: against a model, with random queries that often share a place. */
import test from 'ava'
import fc from 'fast-check'
import { untilChanged } from '../../dns/core/freshness.ts'
import { RepeatTable } from '../../dns/server/repeat-table.ts'

/** One of thirty questions, under any id. */
const query = fc
  .tuple(fc.nat(255), fc.nat(29))
  .map(([id, n]) => Uint8Array.from({ length: 17 + (n % 3) }, (_, i) => (i < 2 ? id : (n * (i + 1)) & 255)))
const step = fc.oneof(
  fc.record({
    do: fc.constant('put' as const),
    query,
    answer: fc.uint8Array({ minLength: 12, maxLength: 64 }),
  }),
  fc.record({ do: fc.constant('ask' as const), query }),
  fc.record({ do: fc.constant('expire' as const), query }),
)

test('what is given is the last answer to these octets with the id of the query, or nothing', (t) => {
  let given = 0
  const seed = Date.now()
  t.log(`seed ${seed}`)
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 300 }), (steps) => {
      const table = new RepeatTable()
      const model = new Map<string, { answer: Uint8Array; freshness: ReturnType<typeof untilChanged> }>()
      const out = Buffer.alloc(1024)
      for (const one of steps) {
        const key = Buffer.from(one.query.subarray(2)).toString('hex')
        const known = model.get(key)
        if (one.do === 'expire') {
          if (known !== undefined) known.freshness.stale = true
        } else if (one.do === 'put') {
          const freshness = untilChanged()
          model.set(key, { answer: one.answer, freshness })
          table.put({ ...one, family: 4, freshness, addresses: undefined, effects: [() => (given += 1)] })
        } else {
          const before = given
          const octets = Buffer.concat([Buffer.from([9, 9, 9]), one.query])
          const length = table.answer(octets, 3, one.query.length, 4, 0, out, 5)
          t.is(given - before, length > 0 ? 1 : 0)
          if (length === 0) continue
          t.false(known === undefined || known.freshness.stale)
          const wanted = Buffer.from(known?.answer ?? [])
          wanted.set(one.query.subarray(0, 2))
          t.deepEqual(out.subarray(5, 5 + length), wanted)
          t.is(table.answer(octets, 3, one.query.length, 6, 0, out, 0), 0, 'another family is another answer')
        }
      }
    }),
    { numRuns: 60, seed },
  )
  t.true(given > 0, 'some were given again')
})

test('an answer with a limit in time is not given after it; long ones are not kept', (t) => {
  const table = new RepeatTable()
  const asked = Buffer.alloc(20, 1)
  const out = Buffer.alloc(1024)
  const put = (answer: Uint8Array): void =>
    table.put({
      query: asked,
      family: 4,
      answer,
      freshness: { stale: false, until: 100 },
      addresses: undefined,
      effects: [],
    })
  put(Buffer.alloc(600, 2))
  t.is(table.answer(asked, 0, 20, 4, 0, out, 0), 0)
  put(Buffer.alloc(30, 2))
  t.is(table.answer(asked, 0, 20, 4, 99, out, 0), 30)
  t.is(table.answer(asked, 0, 20, 4, 100, out, 0), 0)
})

test('addresses are shuffled within their place and nothing else moves', (t) => {
  const table = new RepeatTable()
  const asked = Buffer.alloc(20, 1)
  const answer = Buffer.from([0, 0, ...Array.from({ length: 40 }, (_, i) => i)])
  const addresses = { offset: 6, size: 4, count: 5 }
  table.put({ query: asked, family: 4, answer, freshness: untilChanged(), addresses, effects: [] })
  const firsts = new Set<number>()
  for (let i = 0; i < 200; i += 1) {
    const out = Buffer.alloc(64)
    t.is(table.answer(asked, 0, 20, 4, 0, out, 0), answer.length)
    t.deepEqual(out.subarray(26, answer.length), answer.subarray(26))
    const records = Array.from({ length: 5 }, (_, j) => out.subarray(6 + 4 * j, 10 + 4 * j).toString('hex'))
    t.is(new Set(records).size, 5)
    firsts.add(out[6] as number)
  }
  t.is(firsts.size, 5)
})
