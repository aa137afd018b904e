import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Attributes, messagesOf } from '../../netlink/codec/reader.ts'
import { nameAttribute } from '../../netlink/codec/schema.ts'
import { MessageWriter } from '../../netlink/codec/writer.ts'
import { NetlinkFormatError } from '../../netlink/errors.ts'
import { formatAddress, NetlinkValueError, packAddress, packMac } from '../../netlink/index.ts'
import { decodeChain, decodeRule, decodeSet, decodeTable } from '../../netlink/nft/decode.ts'
import { decodeElements } from '../../netlink/nft/decode-elements.ts'
import { decodeAddress } from '../../netlink/route/address.ts'
import { decodeLink } from '../../netlink/route/link-decode.ts'
import { decodeFdb, decodeNeighbour } from '../../netlink/route/neighbour.ts'
import { decodeRoute } from '../../netlink/route/route.ts'

test('what the writer writes the reader reads', (t) => {
  const writer = new MessageWriter(8)
  writer.begin(16, 0x301, 7)
  writer.attrString(1, 'eth0')
  writer.attrU32(2, 0xfffffffe)
  const nest = writer.nest(3)
  writer.attrU16Be(1, 8472)
  writer.attrU64Be(2, 2n ** 60n)
  writer.attrU8(3, 255)
  writer.flag(4)
  writer.endNest(nest)
  writer.attrString(5, 'Käse')
  writer.end()
  const [message] = [...messagesOf(writer.bytes(), writer.length)]
  t.like(message, { type: 16, flags: 0x301, seq: 7, body: 16, end: writer.length })
  const attributes = new Attributes(writer.bytes(), 16, writer.length)
  t.is(attributes.string(1), 'eth0')
  t.is(attributes.u32(2), 0xfffffffe)
  t.is(attributes.nested(3)?.u16Be(1), 8472)
  t.is(attributes.nested(3)?.u64Be(2), 2n ** 60n)
  t.is(attributes.nested(3)?.u8(3), 255)
  t.true(attributes.nested(3)?.has(4))
  t.is(attributes.string(5), 'Käse')
  t.is(attributes.u32(9), undefined)
})

test('the buffer grows under every kind of write', (t) => {
  for (let capacity = 1; capacity < 64; capacity += 1) {
    const writer = new MessageWriter(capacity)
    writer.begin(1, 0, 1)
    const nest = writer.nest(1)
    writer.attrBytes(2, new Uint8Array(40).fill(7))
    writer.attrBytes(3, Uint8Array.of(1, 2, 3))
    writer.endNest(nest)
    writer.end()
    const nested = new Attributes(writer.bytes(), 16, writer.length).nested(1)
    t.deepEqual(nested?.bytes(2), new Uint8Array(40).fill(7))
    t.deepEqual(nested?.bytes(3), Uint8Array.of(1, 2, 3))
  }
})

test('an attribute that cannot hold its payload is refused', (t) => {
  const writer = new MessageWriter()
  t.throws(() => writer.attrBytes(1, new Uint8Array(65536)), { instanceOf: NetlinkValueError })
  const nest = writer.nest(1)
  writer.attrBytes(1, new Uint8Array(40_000))
  writer.attrBytes(1, new Uint8Array(40_000))
  t.throws(() => writer.endNest(nest), { instanceOf: NetlinkValueError })
})

test('an offset is named by its path', (t) => {
  const writer = new MessageWriter()
  writer.begin(16, 0, 1)
  writer.attrU32(1, 0)
  const nest = writer.nest(2)
  writer.attrU32(1, 0)
  const inner = writer.length
  writer.attrU32(2, 0)
  writer.endNest(nest)
  writer.end()
  const schema = { names: { 1: 'A', 2: 'B' }, nested: { 2: { names: { 2: 'C' } } } }
  const message = { start: 0, end: writer.length, header: 16 }
  const name = (offset: number): string | undefined => nameAttribute(writer.bytes(), message, offset, schema)
  t.is(name(16), 'A')
  t.is(name(inner), 'B.C')
  t.is(name(inner - 8), 'B.#1')
  t.is(name(0), undefined)
  t.is(name(10_000), undefined)
})

/** Runs `body`; only NetlinkFormatError may come out of it. */
function onlyTyped(body: () => void): boolean {
  try {
    body()
    return true
  } catch (error) {
    if (error instanceof NetlinkFormatError) return true
    throw error
  }
}

/** Bytes that look like attributes often enough to get into the depths. */
const attributeBytes = fc
  .array(
    fc.record({
      type: fc.integer({ min: 0, max: 60 }),
      nested: fc.boolean(),
      lie: fc.option(fc.integer({ min: 0, max: 70 }), { freq: 8 }),
      payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Uint8Array.of(8, 0, 1, 0, 1, 2, 3, 4))),
    }),
    { maxLength: 12 },
  )
  .map((list) => {
    const writer = new MessageWriter()
    for (const { type, nested, lie, payload } of list) {
      const start = writer.length
      writer.attrBytes(type | (nested ? 0x8000 : 0), payload)
      if (lie !== null) writer.storage[start] = lie
    }
    return writer.bytes()
  })
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 400 }), attributeBytes)

function check(t: ExecutionContext, property: fc.IProperty<[Uint8Array]>): void {
  const seed = Math.trunc(Math.random() * 0x7fffffff)
  t.log(`seed ${seed}`)
  fc.assert(property, { seed, numRuns: 2000 })
  t.pass()
}

test('the attribute reader throws nothing but its own error', (t) => {
  const property = fc.property(anyBytes, (bytes) =>
    onlyTyped(() => {
      const attributes = new Attributes(bytes, 0, bytes.length)
      for (let type = 0; type < 64; type += 1) {
        onlyTyped(() => attributes.u8(type))
        onlyTyped(() => attributes.u16(type))
        onlyTyped(() => attributes.u16Be(type))
        onlyTyped(() => attributes.u32(type))
        onlyTyped(() => attributes.s32(type))
        onlyTyped(() => attributes.u32Be(type))
        onlyTyped(() => attributes.u64Be(type))
        onlyTyped(() => attributes.string(type))
        onlyTyped(() => attributes.nested(type))
      }
      onlyTyped(() => [...attributes.items()])
      onlyTyped(() => [...attributes.entries()])
    }),
  )
  check(t, property)
})

test('splitting datagrams throws nothing but its own error, and stays inside', (t) => {
  const property = fc.property(anyBytes, (bytes) =>
    onlyTyped(() => {
      for (const { body, end } of messagesOf(bytes, bytes.length)) {
        if (body > end || end > bytes.length) throw new Error(`message ${body}..${end} of ${bytes.length}`)
      }
    }),
  )
  check(t, property)
})

const decoders = {
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodeNeighbour,
  decodeFdb,
  decodeTable,
  decodeChain,
  decodeRule,
  decodeSet,
  decodeElements: (message: Parameters<typeof decodeLink>[0]) => decodeElements(message, []),
}
for (const [name, decode] of Object.entries(decoders)) {
  test(`${name} throws nothing but the reader's error`, (t) => {
    const family = fc.constantFrom(0, 1, 2, 5, 7, 10)
    const property = fc.property(
      fc.tuple(family, fc.uint8Array({ minLength: 15, maxLength: 15 }), anyBytes).map(([f, fixed, rest]) => {
        // Fixed headers have 4, 8, 12 or 16 bytes: attributes start right after one of them.
        const header = {
          decodeAddress: 8,
          decodeRoute: 12,
          decodeNeighbour: 12,
          decodeFdb: 12,
          decodeLink: 16,
        }[name]
        return Uint8Array.of(f, ...fixed.subarray(0, (header ?? 4) - 1), ...rest)
      }),
      (bytes) =>
        onlyTyped(() => decode({ bytes, type: 0, flags: 0, seq: 0, portId: 0, body: 0, end: bytes.length })),
    )
    check(t, property)
  })
}

test('addresses survive the way to bytes and back', (t) => {
  const seed = Math.trunc(Math.random() * 0x7fffffff)
  t.log(`seed ${seed}`)
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((list) => Uint8Array.from(list)),
  )
  fc.assert(
    fc.property(bytes, (value) => Buffer.compare(packAddress(formatAddress(value)), value) === 0),
    { seed },
  )
  t.is(formatAddress(packAddress('2001:DB8:0:0:1:0:0:1')), '2001:db8::1:0:0:1')
  t.is(formatAddress(packAddress('::ffff:10.0.0.1')), '::ffff:10.0.0.1')
  t.is(formatAddress(packAddress('::')), '::')
  for (const bad of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.x',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::',
    '12345::',
  ]) {
    t.throws(() => packAddress(bad), { instanceOf: NetlinkValueError }, bad)
  }
  t.throws(() => packMac('02:00:00:00:00'), { instanceOf: NetlinkValueError })
})
