/** How queries may look: EDNS, sizes, transports, classes, opcodes, flags, and octets that are no good query. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { sendUdp } from '../support/index.ts'
import { differences } from './compare.ts'
import { missingCoredns } from './coredns.ts'
import {
  badVersion,
  negativeTtl,
  nodataAfterAlias,
  notify,
  nsidWithoutDo,
  optionsEchoed,
  wholeAny,
} from './deliberate.ts'
import { compare, type Pair, startPair } from './pair.ts'
import { each, question, send } from './question.ts'

const missing = missingCoredns()
const differential = missing === undefined ? test.serial : test.skip
const zone = (name: string): string => readFileSync(join(import.meta.dirname, 'zones', name), 'utf8')

const lenient = {
  cut: true,
  deliberate: [negativeTtl, wholeAny, nsidWithoutDo, optionsEchoed, badVersion, notify],
  unused: true,
  text: (line: string) => line.replace(/ SRV 0 0 \d+ \.$/, ''),
}

const start = (t: Parameters<typeof compare>[0], more = ''): Promise<Pair> =>
  startPair(t, {
    files: { 'example.org.zone': zone('example.org.zone') },
    corefile: `example.org {
    ${more}
    file {DIR}/example.org.zone
}
plugins.test {
    chaos v1 author
    whoami
}
empty.test {
}
`,
  })

const words = [
  '',
  '+edns',
  '+do',
  '+size=0',
  '+size=511',
  '+size=512',
  '+size=1232',
  '+size=4096',
  '+size=65535',
  '+size=512 +do',
  '+tcp',
  '+tcp +size=512',
  '+tcp +do',
  '+norec',
  '+cd',
  '+ad',
  '+ad +do',
  '+cd +do +norec',
  '+version=1',
  '+version=255 +do',
  '+opt=3:',
  '+opt=10:0102030405060708',
  '+opt=8:00011800c00002',
  '+opt=11:',
  '+opt=11: +tcp',
  '+opt=12:00000000',
  '+opt=65001:abcd',
  '+opt=15:0000',
  '+opt=3: +opt=10:0102030405060708 +do',
  '+opt=9:',
  '+class=CH',
  '+class=HS',
  '+class=ANY',
  '+class=NONE',
  '+class=CLASS77',
]
const names = [
  'web.example.org.',
  'many.example.org.',
  'nothere.example.org.',
  'example.org.',
  'host.sub.example.org.',
  'outside.test.',
  'x.plugins.test.',
  'x.empty.test.',
  '.',
]

differential('EDNS, flags, classes, opcodes, transports', async (t) => {
  t.timeout(120_000)
  const pair = await start(t)
  await compare(t, pair, each(names, 'A SOA TXT', ...words), lenient)
})

const opcodes = ['1', '2', '3', '4', '5', '6', '15'].map((code) => `+opcode=${code}`)

differential('opcodes', async (t) => {
  t.timeout(120_000)
  const pair = await start(t)
  const queries = each(
    ['web.example.org.', 'example.org.', 'outside.test.'],
    'A SOA',
    ...opcodes,
    '+opcode=4 +tcp',
  )
  await compare(t, pair, queries, { ...lenient, patience: 3000 })
})

differential('types that are more than a type', async (t) => {
  t.timeout(120_000)
  const pair = await start(t)
  const types = 'ANY AXFR IXFR OPT TSIG TYPE0 TYPE65535 TYPE254 TYPE253'
  await compare(t, pair, each(names, types, '', '+tcp', '+edns'), lenient)
})

differential('chaos', async (t) => {
  const pair = await start(t)
  const asked = [
    'version.bind.',
    'version.server.',
    'authors.bind.',
    'hostname.bind.',
    'id.server.',
    'VERSION.bind.',
    'other.bind.',
    'bind.',
  ]
  await compare(t, pair, each(asked, 'TXT A ANY', '+class=CH', '', '+class=CH +edns'))
})

const octets: Readonly<Record<string, string>> = {
  'one octet': '12',
  'eleven octets': '126701000001000000000000'.slice(0, 22),
  'a header alone': '126701000000000000000000',
  'a header that promises a question': '126701000001000000000000',
  'a response': '12678100000100000000000003777777076578616d706c65036f72670000010001',
  'two questions':
    '12670100000200000000000003777777076578616d706c65036f7267000001000103777777076578616d706c65036f72670000010001',
  'a compressed name': '12670100000100000000000003777777c00c00010001',
  'a label too long': '12670100000100000000000040777777076578616d706c65036f72670000010001',
  'a name without end': '12670100000100000000000003777777',
  'no class': '12670100000100000000000003777777076578616d706c65036f7267000001',
  'an answer':
    '12670100000100010000000003777777076578616d706c65036f72670000010001c00c0001000100000e100004c0000201',
  'two answers':
    '12670100000100020000000003777777076578616d706c65036f72670000010001c00c0001000100000e100004c0000201c00c0001000100000e100004c0000201',
  'an authority record':
    '12670100000100000001000003777777076578616d706c65036f72670000010001c00c0001000100000e100004c0000201',
  'more after the end': '12670100000100000000000003777777076578616d706c65036f72670000010001ffffffff',
  'additional records that are not there':
    '12670100000100000000000103777777076578616d706c65036f72670000010001',
  'two OPT':
    '12670100000100000000000203777777076578616d706c65036f72670000010001000029100000000000000000002910000000000000 00'.replace(
      ' ',
      '',
    ),
  'OPT with a name':
    '12670100000100000000000103777777076578616d706c65036f72670000010001c00c0029100000000000000000',
  'OPT that is cut': '12670100000100000000000103777777076578616d706c65036f7267000001000100002910000000000000',
  'OPT with an option too long':
    '12670100000100000000000103777777076578616d706c65036f7267000001000100002910000000000000080003 0010abcd'.replace(
      ' ',
      '',
    ),
  'Z bit': '12670140000100000000000003777777076578616d706c65036f72670000010001',
  'AA, TC and RA in a query': '12670780000100000000000003777777076578616d706c65036f72670000010001',
  'a code in a query': '12670103000100000000000003777777076578616d706c65036f72670000010001',
  'question class and type 0': '12670100000100000000000003777777076578616d706c65036f72670000000000',
  'UPDATE with prerequisites': '126728000001000000000000076578616d706c65036f72670000060001',
  'octets of nothing': 'ffffffffffffffffffffffffffffffffffffffff',
}

/** RFC 1035 §4.1, RFC 6891 §6.1.1: these are format errors, and CoreDNS reads over some of them. */
const strict = new Set([
  'a header that promises a question',
  'no class',
  'additional records that are not there',
  'two OPT',
  'OPT with a name',
  'OPT that is cut',
  'OPT with an option too long',
])

differential('octets that are no good query', async (t) => {
  t.timeout(120_000)
  const pair = await start(t)
  const found: string[] = []
  for (const [what, hex] of Object.entries(octets)) {
    const message = Buffer.from(hex, 'hex')
    const [ours, theirs] = await Promise.all(
      [pair.ours.port, pair.theirs.port].map((port) => sendUdp(port, message, 1500)),
    )
    const lists = [ours, theirs].map((one) => (one === undefined ? [] : [one]))
    if (strict.has(what)) t.is(ours === undefined ? -1 : (ours[3] ?? 0) & 15, 1, what)
    const lines = strict.has(what)
      ? []
      : nodataAfterAlias.forgive(differences(lists[0] ?? [], lists[1] ?? []), what)
    if (lines.length > 0) found.push(`${what}\n    ${lines.join('\n    ')}`)
  }
  if (found.length > 0) t.log(found.join('\n'))
  t.is(found.length, 0)
})

differential('bufsize', async (t) => {
  const pair = await start(t, 'bufsize 600')
  await compare(
    t,
    pair,
    each(names, 'A', '', '+edns', '+do', '+size=512', '+size=600', '+size=1232', '+tcp +size=4096'),
    lenient,
  )
})

differential('nsid, any, minimal', async (t) => {
  const pair = await start(t, 'nsid Use The Force\n    any\n    minimal')
  await compare(
    t,
    pair,
    each(names, 'A ANY NS SOA MX SRV', '', '+edns', '+opt=3:', '+opt=3: +do', '+tcp +opt=3:'),
    lenient,
  )
})

differential('the same query with its letters in all cases', async (t) => {
  const pair = await start(t)
  for (const name of ['WEB.eXample.oRG.', 'A.WILD.example.ORG.', 'NOTHERE.Example.org.']) {
    const asked = question(`${name} A`)
    for (const port of [pair.ours.port, pair.theirs.port]) {
      const [reply] = await send(port, asked)
      t.true(reply?.includes(Buffer.from(name.split('.')[0] ?? '')), `${port} keeps the case of ${name}`)
    }
  }
})
