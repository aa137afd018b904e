import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { missingCoredns } from './coredns.ts'
import { glue, negativeTtl, nodataAfterAlias, wholeAny } from './deliberate.ts'
import { compare, type Deliberate, startPair } from './pair.ts'
import { each } from './question.ts'

const missing = missingCoredns()
const differential = missing === undefined ? test.serial : test.skip
if (missing !== undefined) console.log(`differential tests are skipped: ${missing}`)

const zone = (name: string): string => readFileSync(join(import.meta.dirname, 'zones', name), 'utf8')
const types =
  'A AAAA NS SOA MX TXT CNAME DNAME SRV PTR CAA DS ANY HTTPS SVCB NAPTR HINFO NSEC DNSKEY RRSIG TYPE65280 NULL LOC'

const names = [
  ...new Set(
    zone('example.org.zone')
      .matchAll(/^([^\s$;@]+) /gm)
      .map((match) => match[1] ?? ''),
  ),
].map((name) => `${name}.example.org.`)
const more = [
  'example.org.',
  'EXAMPLE.org.',
  'WwW.eXaMpLe.OrG.',
  'mIxEd.CaSe.example.org.',
  'nothere.example.org.',
  'a.nothere.example.org.',
  'ent.example.org.',
  'b.ent.example.org.',
  'x.ent.example.org.',
  'wild.example.org.',
  'a.wild.example.org.',
  'A.B.Wild.example.org.',
  '*.wild.example.org.',
  'a.exact.wild.example.org.',
  'x.wildc.example.org.',
  'y.x.wildc.example.org.',
  'x.wildext.example.org.',
  'x.wildmx.example.org.',
  'sub.wildd.example.org.',
  'x.sub.wildd.example.org.',
  'a.b.two.example.org.',
  'a.dname.example.org.',
  'A.DNAME.example.org.',
  'b.dname.example.org.',
  'a.b.dname.example.org.',
  'dname.example.org.',
  'a.dnameout.example.org.',
  'a.dnameself.example.org.',
  'a.dname2.example.org.',
  'x.sub.example.org.',
  'a.x.sub.example.org.',
  'ns.sub.example.org.',
  'host.signed.example.org.',
  'x.noglue.example.org.',
  '_udp.example.org.',
  '_sip._UDP.example.org.',
  'x.web.example.org.',
  'x.www.example.org.',
  'gen1.example.org.',
  'gen5.example.org.',
  'gen6.example.org.',
  'host-010.example.org.',
  'host-015.example.org.',
  'hex00.example.org.',
  'hex02.example.org.',
  'esc\\.aped.example.org.',
  'esc.aped.example.org.',
  'example.net.',
  'org.',
  '.',
  'www.other.test.',
  'back.other.test.',
  'nx.other.test.',
  'ns.other.test.',
  'none.other.test.',
  `${'a'.repeat(63)}.example.org.`,
  `${`${'b'.repeat(60)}.`.repeat(3)}example.org.`,
  'sp\\032ace.example.org.',
  'nul\\000.example.org.',
  '\\255\\254.example.org.',
  'under_score.example.org.',
]

const longChain: Deliberate = {
  why: 'a chain that does not end is cut with NOERROR, whatever the type and whether by CNAME or DNAME',
  forgive: (lines, query) => (/^(?:loop\d|self|c\d)\..* NS|^a.dnameself\./.test(query) ? [] : lines),
}

differential('file: every kind of name with every type', async (t) => {
  t.timeout(120_000)
  const pair = await startPair(t, {
    files: { 'example.org.zone': zone('example.org.zone'), 'other.test.zone': zone('other.test.zone') },
    corefile: `example.org {
    file {DIR}/example.org.zone
}
other.test {
    file {DIR}/other.test.zone
}
`,
  })
  await compare(t, pair, each([...names, ...more], types), {
    deliberate: [negativeTtl, nodataAfterAlias, wholeAny, glue, longChain],
  })
})
