/** Random queries over a Corefile of many plugins: what nobody thought of asking. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { missingCoredns } from './coredns.ts'
import * as known from './deliberate.ts'
import { compare, type Deliberate, startPair } from './pair.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const zone = readFileSync(join(import.meta.dirname, 'zones/example.org.zone'), 'utf8')
const labels =
  'www web a b x wild exact sub dname target old ent deep mail many _sip _udp * test example org svcb c1 ns1 naptr xn--a a\\.b \\000'
const label = fc.constantFrom(...labels.split(' ')).chain((text) =>
  fc.constantFrom(
    text,
    text.toUpperCase(),
    text.replace(/[aeiou]/, (c) => c.toUpperCase()),
  ),
)
const end = fc.constantFrom('example.org.', 'EXAMPLE.Org.', 'tpl.test.', 'rw.test.', 'hosts.test.', '')
const query = fc
  .record({
    labels: fc.array(label, { maxLength: 4 }),
    end,
    type: fc.oneof(
      fc.constantFrom('A', 'AAAA', 'NS', 'SOA', 'MX', 'TXT', 'SRV', 'CNAME', 'PTR', 'HTTPS', 'DS'),
      fc.integer({ min: 1, max: 300 }).map((n) => `TYPE${n}`),
    ),
    words: fc.subarray([
      '+do',
      '+tcp',
      '+norec',
      '+cd',
      '+ad',
      '+size=512',
      '+size=1400',
      '+opt=3:',
      '+opt=8:00011800c00002',
    ]),
  })
  .map((parts) =>
    `${[...parts.labels, parts.end].join('.') || '.'} ${parts.type} ${parts.words.join(' ')}`.trim(),
  )
  .filter((text) => !/ TYPE(?:25[0-5]|41|249)\b/.test(text))

const explained: Deliberate = {
  why: 'chains without an end; the owner of an answer is what was asked',
  forgive: (lines, text) => (/dnameself|loop|self|^c\d|\.rw\.test/i.test(text) ? [] : lines),
}

differential('random queries', async (t) => {
  t.timeout(300_000)
  const seed = Date.now()
  t.log(`seed ${seed}`)
  const pair = await startPair(t, {
    files: {
      'example.org.zone': zone,
      hosts: '192.0.2.1 a.hosts.test www.hosts.test\n2001:db8::1 www.hosts.test\n',
    },
    corefile: `. {
    rewrite name suffix .rw.test .example.org answer auto
    hosts {DIR}/hosts hosts.test {
        fallthrough
    }
    template IN A tpl.test {
        match ^(www|a)[.]
        answer "{{ .Name }} 60 IN A 192.0.2.5"
        fallthrough
    }
    file {DIR}/example.org.zone example.org
}
`,
  })
  const queries = fc.sample(query, { numRuns: 3000, seed })
  const { optUnasked, nsidWithoutDo, optionsEchoed, negativeTtl, nodataAfterAlias, wholeAny, glue } = known
  await compare(t, pair, queries, {
    cut: true,
    unused: true,
    deliberate: [
      optUnasked,
      nsidWithoutDo,
      optionsEchoed,
      explained,
      glue,
      negativeTtl,
      nodataAfterAlias,
      wholeAny,
    ],
  })
})
