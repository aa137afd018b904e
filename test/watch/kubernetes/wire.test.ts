import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { isKind, decodeObject as readObject } from '#watch'
import { compactObject } from '../../../watch/compact/compact.ts'
import { CompactObject } from '../../../watch/compact/compact-object.ts'
import { openEnvelope, readEnvelope } from '../../../watch/kubernetes/wire/envelope.ts'
import { ProtobufListReader } from '../../../watch/kubernetes/wire/list-stream.ts'
import { messages } from '../../../watch/kubernetes/wire/messages.ts'
import { WireError } from '../../../watch/kubernetes/wire/protobuf-reader.ts'
import { JsonEventReader, ProtobufEventReader } from '../../../watch/kubernetes/wire/watch-stream.ts'
import { writeEvent, writeList, writeObject } from '../../apiserver/protobuf-writer.ts'

// The .pb files were written by k8s.io/apimachinery from the .json files: test/apiserver/real/fixtures.
const folder = join(import.meta.dirname, 'fixtures')
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -5))

/** As it is stored: of a Pod less than its JSON has. */
function decodeObject(raw: unknown) {
  if (raw instanceof CompactObject) return { outcome: 'object', object: raw }
  const decoded = readObject(raw)
  return decoded.outcome === 'object' ? { ...decoded, object: compactObject(decoded.object) } : decoded
}

function messageOf(kind: unknown) {
  const message = typeof kind === 'string' && isKind(kind) ? messages[kind] : undefined
  if (message === undefined) throw new Error(`${kind} has no protobuf message`)
  return message
}

for (const name of names) {
  test(`${name}: what Kubernetes writes as protobuf decodes like its JSON`, (t) => {
    const json = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
    const bytes = readFileSync(join(folder, `${name}.pb`))
    const raw = readEnvelope(openEnvelope(bytes), messageOf(json.kind))
    const expected = decodeObject(json)
    t.is(expected.outcome, 'object')
    t.deepEqual(decodeObject(raw), expected)
    // The writer of the test API server is no less true.
    t.deepEqual(decodeObject(readEnvelope(openEnvelope(writeObject(json)), messageOf(json.kind))), expected)
  })
}

const objects = names.map((name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')))
const pods = objects.filter(({ kind }) => kind === 'Pod')

/** Cuts bytes at the given places. */
function chunked(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b)
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end))
}

const cuts = fc.array(fc.nat(), { maxLength: 20 })

test('a list reads the same however its bytes are cut', (t) => {
  const metadata = { resourceVersion: '77', continue: 'next' }
  const bytes = writeList({ apiVersion: 'v1', kind: 'PodList', metadata, items: [...pods, ...pods] })
  fc.assert(
    fc.property(cuts, (places) => {
      const items: unknown[] = []
      const reader = new ProtobufListReader(messageOf('Pod'), { apiVersion: 'v1', kind: 'Pod' }, (item) =>
        items.push(item),
      )
      for (const chunk of chunked(bytes, places)) reader.push(chunk)
      t.deepEqual(reader.finish(), metadata)
      t.deepEqual(items.map(decodeObject), [...pods, ...pods].map(decodeObject))
    }),
    { numRuns: 100 },
  )
})

test('a list that is cut off anywhere is refused, never taken for a shorter one', (t) => {
  const bytes = writeList({ apiVersion: 'v1', kind: 'PodList', metadata: {}, items: pods })
  // The last two fields of the envelope are empty and may be missing.
  for (let length = 0; length < bytes.length - 4; length += 7) {
    const reader = new ProtobufListReader(messageOf('Pod'), { apiVersion: 'v1', kind: 'Pod' }, () => {})
    t.throws(
      () => {
        reader.push(bytes.subarray(0, length))
        reader.finish()
      },
      { instanceOf: WireError },
    )
  }
})

test('events read the same however their bytes are cut', (t) => {
  const events = pods.flatMap((object) => ['ADDED', 'MODIFIED', 'DELETED'].map((type) => ({ type, object })))
  const binary = Buffer.concat(events.map(({ type, object }) => writeEvent(type, object)))
  const lines = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  const expected = events.map(({ type, object }) => ({ type, decoded: decodeObject(object) }))
  fc.assert(
    fc.property(cuts, (places) => {
      for (const [reader, bytes] of [
        [new ProtobufEventReader(messageOf('Pod')), binary],
        [new JsonEventReader(), lines],
      ] as const) {
        const seen = chunked(bytes, places).flatMap((chunk) => reader.push(chunk))
        t.deepEqual(
          seen.map(({ type, object }) => ({ type, decoded: decodeObject(object) })),
          expected,
        )
      }
    }),
    { numRuns: 60 },
  )
})

test('damaged bytes are refused with a WireError or read as something, never anything else', (t) => {
  const bytes = writeObject(pods[0])
  let refused = 0
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }), (damage) => {
      const copy = Buffer.from(bytes)
      for (const [place, value] of damage) copy[place % copy.length] = value
      try {
        decodeObject(readEnvelope(openEnvelope(copy), messageOf('Pod')))
      } catch (error) {
        if (!(error instanceof WireError)) throw error
        refused++
      }
    }),
    { numRuns: 2000 },
  )
  t.true(refused > 0)
})

test('negative and large numbers keep their value', (t) => {
  const message = messageOf('Pod')
  const read = (terminationGracePeriodSeconds: number) =>
    (
      readEnvelope(
        openEnvelope(writeObject({ apiVersion: 'v1', kind: 'Pod', spec: { terminationGracePeriodSeconds } })),
        message,
      )['spec'] as Record<string, unknown>
    )['terminationGracePeriodSeconds']
  for (const value of [-1, -(2 ** 40), 0, 127, 128, 2 ** 31, 2 ** 53 - 1]) t.is(read(value), value)
})
