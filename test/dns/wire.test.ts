import test from 'ava'
import fc from 'fast-check'
import { receive } from '../../dns/core/receive.ts'
import {
  addressOfReverse,
  decodeMessage,
  encodeMessage,
  formatAddress,
  type Message,
  parseAddress,
  type ResourceRecord,
  reverseName,
  Type,
  WireError,
} from '../../dns/wire/index.ts'
import { DNSPacket } from './support/dns2.ts'

const seed = Number(process.env['PLEXUS_SEED'] ?? Date.now() % 1_000_000)

const octets = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max })
/** Lower case, because compression takes over the letter case of an earlier occurrence. */
const label = fc.stringMatching(/^[a-z0-9_-]{1,12}$/)
const name = fc
  .array(label, { maxLength: 6 })
  .map((labels) => (labels.length === 0 ? '.' : `${labels.join('.')}.`))
const u16 = fc.integer({ min: 0, max: 65_535 })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const latin = octets(40).map((bytes) => Buffer.from(bytes).toString('latin1'))
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress)
const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress)

const head = { name, class: fc.constantFrom(1, 3, 255), ttl: u32 }
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.record({ ...head, kind: fc.constant('address' as const), type: fc.constant(Type.A), address: ipv4 }),
  fc.record({ ...head, kind: fc.constant('address' as const), type: fc.constant(Type.AAAA), address: ipv6 }),
  fc.record({
    ...head,
    kind: fc.constant('target' as const),
    type: fc.constantFrom(Type.NS, Type.CNAME, Type.PTR, Type.DNAME),
    target: name,
  }),
  fc.record({
    ...head,
    kind: fc.constant('preference' as const),
    type: fc.constantFrom(Type.MX, Type.KX),
    preference: u16,
    target: name,
  }),
  fc.record({
    ...head,
    kind: fc.constant('srv' as const),
    type: fc.constant(Type.SRV),
    priority: u16,
    weight: u16,
    port: u16,
    target: name,
  }),
  fc.record({
    ...head,
    kind: fc.constant('soa' as const),
    type: fc.constant(Type.SOA),
    mname: name,
    rname: name,
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
  }),
  fc.record({
    ...head,
    kind: fc.constant('text' as const),
    type: fc.constantFrom(Type.TXT, Type.HINFO),
    texts: fc.array(latin, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    ...head,
    kind: fc.constant('naptr' as const),
    type: fc.constant(Type.NAPTR),
    order: u16,
    preference: u16,
    flags: latin,
    service: latin,
    regexp: latin,
    replacement: name,
  }),
  fc.record({
    ...head,
    kind: fc.constant('names' as const),
    type: fc.constantFrom(Type.RP, Type.MINFO),
    names: fc.tuple(name, name),
  }),
  fc.record({
    ...head,
    kind: fc.constant('raw' as const),
    type: fc.constantFrom(Type.CAA, Type.HTTPS, Type.DS, 65_280),
    rdata: octets(60),
  }),
)
const section = fc.array(record, { maxLength: 5 })
const edns = fc.option(
  fc.record({
    udpSize: u16,
    version: fc.constantFrom(0, 1),
    dnssecOk: fc.boolean(),
    options: fc.array(fc.record({ code: u16, data: octets(20) }), { maxLength: 3 }),
  }),
  { nil: undefined },
)
const message: fc.Arbitrary<Message> = fc
  .record({
    id: u16,
    response: fc.boolean(),
    opcode: fc.integer({ min: 0, max: 15 }),
    authoritative: fc.boolean(),
    truncated: fc.boolean(),
    recursionDesired: fc.boolean(),
    recursionAvailable: fc.boolean(),
    authenticData: fc.boolean(),
    checkingDisabled: fc.boolean(),
    rcode: fc.integer({ min: 0, max: 4095 }),
    questions: fc.array(fc.record({ name, type: u16, class: u16 }), { maxLength: 2 }),
    answer: section,
    authority: section,
    additional: section,
    edns,
  })
  .map((raw) => ({ ...raw, rcode: raw.edns === undefined ? raw.rcode & 15 : raw.rcode }))

test('decode(encode(m)) is m', (t) => {
  fc.assert(
    fc.property(message, (wanted) => {
      t.deepEqual(decodeMessage(encodeMessage(wanted)), wanted)
    }),
    { seed, numRuns: 300 },
  )
  t.log(`seed ${seed}`)
})

test('an independent decoder reads what we encode', (t) => {
  fc.assert(
    fc.property(
      fc.record({ names: fc.array(name, { minLength: 1, maxLength: 4 }), address: ipv4, id: u16 }),
      ({ names, address, id }) => {
        const [first = '.'] = names
        const wire = encodeMessage({
          id,
          response: true,
          opcode: 0,
          authoritative: true,
          truncated: false,
          recursionDesired: true,
          recursionAvailable: false,
          authenticData: false,
          checkingDisabled: false,
          rcode: 0,
          questions: [{ name: first, type: Type.A, class: 1 }],
          answer: names.map((owner) => ({
            kind: 'address',
            name: owner,
            type: Type.A,
            class: 1,
            ttl: 7,
            address,
          })),
          authority: [],
          additional: [],
        })
        const read = DNSPacket.parse(wire)
        t.is(read.header.id, id)
        t.deepEqual(
          read.answers.map((answer) => [`${answer.name}.`.replace('..', '.'), answer.address, answer.ttl]),
          names.map((owner) => [owner, address, 7]),
        )
      },
    ),
    { seed, numRuns: 200 },
  )
})

test('whatever the octets are, the decoder throws its own error or nothing', (t) => {
  const seen = { good: 0, bad: 0 }
  fc.assert(
    fc.property(fc.oneof(octets(300), mutated()), (input) => {
      try {
        decodeMessage(input)
        seen.good += 1
      } catch (error) {
        seen.bad += 1
        if (!(error instanceof WireError)) throw error
      }
      receive(
        input,
        {
          transport: 'udp',
          clientFamily: 4,
          clientAddress: '',
          clientPort: 0,
          localAddress: '',
          localPort: 0,
        },
        {
          label: '',
          resolve: () => {
            throw new Error('not asked')
          },
        },
      )
    }),
    { seed, numRuns: 3000 },
  )
  t.true(seen.good > 0 && seen.bad > 0, `seed ${seed}`)
})

/** Messages that were right, with some octets changed or cut off: they get further into the decoder than noise. */
function mutated(): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(
      message,
      fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.nat(2000),
    )
    .map(([wanted, changes, cut]) => {
      const wire = encodeMessage(wanted)
      for (const [at, value] of changes) wire[at % wire.length] = value
      return cut % 3 === 0 ? wire.subarray(0, cut % wire.length) : wire
    })
}

test('compression pointers that do not lead backwards are refused', (t) => {
  const header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  for (const question of [
    [0xc0, 12],
    [0xc0, 14, 0, 0],
    [1, 97, 0xc0, 12],
    [0xc0, 255],
  ]) {
    t.throws(() => decodeMessage(Uint8Array.from([...header, ...question, 0, 1, 0, 1])), {
      instanceOf: WireError,
    })
  }
})

test('names are escaped, so that any octet survives', (t) => {
  for (const odd of ['a\\.b.example.', '\\000\\255.', 'sp\\ ace.', 'back\\\\slash.', '\\"q\\".']) {
    const wire = encodeMessage({
      ...decodeMessage(Buffer.alloc(12)),
      questions: [{ name: odd, type: 1, class: 1 }],
    })
    t.is(decodeMessage(wire).questions[0]?.name, odd)
  }
  for (const bad of ['a..b.', `${'x'.repeat(64)}.`, `${'abcdefg.'.repeat(32)}`, 'a\\']) {
    const encode = (): Buffer =>
      encodeMessage({ ...decodeMessage(Buffer.alloc(12)), questions: [{ name: bad, type: 1, class: 1 }] })
    t.throws(encode, { instanceOf: WireError }, bad)
  }
})

test('truncation leaves out whole records, keeps OPT and sets TC', (t) => {
  const records = Array.from(
    { length: 60 },
    (_, i): ResourceRecord => ({
      kind: 'address',
      name: 'big.example.',
      type: 1,
      class: 1,
      ttl: 1,
      address: `10.0.0.${i}`,
    }),
  )
  const full = {
    ...decodeMessage(Buffer.alloc(12)),
    questions: [{ name: 'big.example.', type: 1, class: 1 }],
    answer: records,
  }
  for (const maxSize of [512, 600, 700]) {
    const wire = encodeMessage(
      { ...full, edns: { udpSize: maxSize, version: 0, dnssecOk: false, options: [] } },
      { maxSize },
    )
    const read = decodeMessage(wire)
    t.true(wire.length <= maxSize && wire.length > maxSize - 16)
    t.true(read.truncated)
    t.is(read.edns?.udpSize, maxSize)
    t.deepEqual(read.answer, records.slice(0, read.answer.length))
  }
  t.false(decodeMessage(encodeMessage(full)).truncated)
})

test('addresses and their reverse names', (t) => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), (address) => {
      const octetsOf = parseAddress(address)
      t.truthy(octetsOf)
      t.is(addressOfReverse(reverseName(address) ?? ''), address)
    }),
    { seed, numRuns: 200 },
  )
  t.is(formatAddress(parseAddress('2001:db8:0:0:1:0:0:1') ?? new Uint8Array()), '2001:db8::1:0:0:1')
  t.is(formatAddress(parseAddress('::ffff:1.2.3.4') ?? new Uint8Array()), '::ffff:102:304')
  for (const wrong of ['1.2.3', '256.1.1.1', '01.2.3.4', ':::', '1:2:3:4:5:6:7', 'g::1', '1::2::3', ''])
    t.is(parseAddress(wrong), undefined, wrong)
})
