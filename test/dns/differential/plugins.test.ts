/** Plugins that answer or change answers without anything outside: each in server blocks of its own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { missingCoredns } from './coredns.ts'
import {
  localAuthority,
  negativeTtl,
  nodataAfterAlias,
  nsidWithoutDo,
  optionsEchoed,
  optUnasked,
  wholeAny,
} from './deliberate.ts'
import { type CompareOptions, compare, startPair } from './pair.ts'
import { rewriteScenarios } from './rewrite-scenarios.ts'
import { scenarios } from './scenarios.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const zone = (name: string): string => readFileSync(join(import.meta.dirname, 'zones', name), 'utf8')
const lenient: CompareOptions = {
  cut: true,
  unused: true,
  deliberate: [
    optUnasked,
    nsidWithoutDo,
    optionsEchoed,
    negativeTtl,
    nodataAfterAlias,
    wholeAny,
    localAuthority,
  ],
}
const files = {
  'example.org.zone': zone('example.org.zone'),
  'other.test.zone': zone('other.test.zone'),
  hosts:
    '192.0.2.1 a.hosts.test b.hosts.test\n192.0.2.2 a.hosts.test # again\n2001:db8::1 a.hosts.test\n192.0.2.3 UPPER.hosts.test\n# nothing\n::1%lo scoped.hosts.test\n300.1.1.1 bad.hosts.test\n192.0.2.4\n192.0.2.9 outside.test\n192.0.2.8 *.wild.hosts.test\n',
  'resolv.conf': 'nameserver 192.0.2.1\nsearch one.test two.test example.org\noptions ndots:5\n',
  weights: 'w.example.org\n192.0.2.80 3\n192.0.2.81 1\n',
}

for (const [what, { corefile, queries, meant = [] }] of Object.entries({
  ...scenarios,
  ...rewriteScenarios,
})) {
  differential(what, async (t) => {
    t.timeout(300_000)
    const pair = await startPair(t, { files, corefile })
    const text = (line: string): string => line.replace(/ SRV 0 0 \d+ \.$/, '')
    const own = meant.map(([pattern, why]) => ({
      why,
      forgive: (lines: readonly string[], query: string) => (pattern.test(query) ? [] : lines),
    }))
    const deliberate = [...(lenient.deliberate ?? []), ...own]
    await compare(t, pair, queries, { ...lenient, deliberate, text, patience: 3000 })
  })
}
