/** Signed answers: *sign* with *file*, and *dnssec* on the fly. That signatures are right is delv's to say (plugins/dnssec). */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testDirectory } from '../../support/index.ts'
import { makeZoneKey } from '../support/zone-keys.ts'
import { missingCoredns } from './coredns.ts'
import { glue, negativeTtl, nodataAfterAlias, optionsEchoed, wholeAny } from './deliberate.ts'
import { type CompareOptions, compare, type Deliberate, startPair } from './pair.ts'
import { each } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const zone = `$TTL 300
$ORIGIN example.org.
@ SOA ns root 7 1800 900 604800 60
@ NS ns
@ MX 10 mail
ns A 192.0.2.53
mail A 192.0.2.25
www CNAME web
web A 192.0.2.80
web AAAA 2001:db8::80
out CNAME www.example.net.
*.wild TXT "w"
a.b.ent A 192.0.2.9
sub NS ns.sub
ns.sub A 192.0.2.99
safe NS ns
safe DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
old DNAME new
x.new A 192.0.2.77
`
/** At the end of a chain: see nodataAfterAlias, with its proof. That of a delegation is at the cut (RFC 4035 §3.1.4). */
const proofAfterAlias: Deliberate = {
  why: nodataAfterAlias.why,
  forgive: (lines, query) =>
    /^(?:www|out|x\.old|x\.sub)\./.test(query) &&
    lines.every((line) => / authority: | (?:NSEC|RRSIG)\b/.test(line))
      ? []
      : lines,
}
const names =
  'example.org. www.example.org. web.example.org. WEB.example.org. out.example.org. x.wild.example.org. wild.example.org. ent.example.org. none.example.org. x.y.none.example.org. sub.example.org. x.sub.example.org. safe.example.org. x.safe.example.org. x.old.example.org. mail.example.org. zz.example.org. aa.example.org.'

/** Type, algorithm, labels and TTL of a signature; not its times and octets. */
const text = (line: string): string => line.replace(/( RRSIG [\da-f]{16})[\da-f]+/, '$1')
/** On the fly CoreDNS signs with an hour as the TTL, and has next names and types of its own in NSEC. */
const loose = (line: string): string =>
  line.replace(/( RRSIG [\da-f]{8})[\da-f]+/, '$1').replace(/( NSEC) [\da-f]+/, '$1')
const lenient: CompareOptions = {
  serial: true,
  cut: true,
  unused: true,
  text,
  deliberate: [optionsEchoed, negativeTtl, nodataAfterAlias, wholeAny, glue],
}

/** Both with the same key; `{KEY}` is its path without the end. */
async function signedPair(t: ExecutionContext, corefile: string) {
  const { base } = makeZoneKey(testDirectory(t, 'key'), 'example.org.')
  const name = basename(base)
  const files = Object.fromEntries(
    ['key', 'private'].map((end) => [`${name}.${end}`, readFileSync(`${base}.${end}`, 'utf8')]),
  )
  return await startPair(t, {
    files: { ...files, zone },
    corefile: corefile.replaceAll('{KEY}', join('{DIR}', name)),
  })
}

differential('dnssec', async (t) => {
  t.timeout(120_000)
  const pair = await signedPair(
    t,
    'example.org {\n    dnssec {\n        key file {KEY}\n    }\n    file {DIR}/zone\n}\n',
  )
  await compare(
    t,
    pair,
    each(names, 'A AAAA NS SOA MX TXT CNAME DS DNSKEY NSEC', '', '+do', '+do +cd', '+tcp +do'),
    { ...lenient, text: loose, ttl: 300, deliberate: [...(lenient.deliberate ?? []), proofAfterAlias] },
  )
})

differential('sign', async (t) => {
  t.timeout(120_000)
  const pair = await signedPair(
    t,
    'example.org {\n    sign {DIR}/zone {\n        key file {KEY}\n        directory {DIR}\n    }\n    file {DIR}/db.example.org.signed\n}\n',
  )
  await compare(
    t,
    pair,
    each(names, 'A AAAA NS SOA MX TXT CNAME DS DNSKEY NSEC', '', '+do', '+do +cd', '+tcp +do'),
    lenient,
  )
})
