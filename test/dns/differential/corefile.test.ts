/** Which directives are taken and which are refused: each paragraph of snippets.txt alone in a server block. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pino } from 'pino'
import { startDns } from '#dns'
import type { Store } from '#watch'
import { testDirectory } from '../../support/index.ts'
import { clusterOf, freePort } from '../support/index.ts'
import { makeZoneKey } from '../support/zone-keys.ts'
import { missingCoredns, startCoredns } from './coredns.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const text = readFileSync(join(import.meta.dirname, 'snippets.txt'), 'utf8').replace(/^#.*\n/gm, '')
/** a line at the margin begins a snippet, unless it closes one */
const snippets = text
  .split(/\n(?=[^\s}])/)
  .map((one) => one.trim())
  .filter((one) => one !== '')

/** What we take and CoreDNS does not, or the other way round, with the reason. */
const deliberate: readonly (readonly [snippet: RegExp, why: string])[] = [
  [/consolidate -5s|lameduck -5s|success -1/, 'a number below 0 says nothing'],
  [
    /prometheus :x|127\.0\.0\.1:(?:99999|x)$|a\.\.b/,
    'what cannot be a port or a zone is found at the start, not at the first query',
  ],
  [/doh_method get/, 'methods in lower case'],
  [
    /^dnssec(?: example\.org)?$|cache_capacity 100|^sign \S+ example\.org(?:$| \{\s+directory)/,
    'without keys there is nothing to sign with',
  ],
  [/K\S+\+12345/, 'a key of a zone below signs that zone'],
  [/^bind (?:127\.0\.0\.1 127|lo)/, 'an address named twice is one address'],
  [/^header \{\s+(?:set|clear)/, 'the older form without response'],
  [/1024\.\.65535/, 'numbers are compared with texts of digits'],
  [/^template IN A \{\s+var/, 'var, which CoreDNS has after 1.14.7'],
  [/^rewrite name a b answer/, 'exact need not be named'],
  [/^auto$|^header example|ignore\s|ignore$|tap\.sock bogus/, 'an argument that is missing or one too many'],
  [/@bogus/, 'a plugin that is not there'],
]

function fixtures(directory: string): void {
  const zone = '@ 60 IN SOA ns host 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n'
  writeFileSync(join(directory, 'example.org.zone'), zone)
  writeFileSync(join(directory, 'broken.zone'), '@ IN A\n')
  writeFileSync(join(directory, 'hosts'), '192.0.2.1 x.example\n')
  writeFileSync(join(directory, 'weights'), 'x.example\n192.0.2.1 3\n')
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 192.0.2.53\nsearch example.org\n')
  const key = join(directory, 'tls.key')
  const certificate = join(directory, 'tls.crt')
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    key,
    '-out',
    certificate,
    '-subj',
    '/CN=x',
    '-days',
    '2',
  ])
  const { base } = makeZoneKey(directory, 'example.org.')
  for (const end of ['key', 'private'])
    writeFileSync(join(directory, `Kexample.org.+013+12345.${end}`), readFileSync(`${base}.${end}`))
}

/** Whole files: keys, braces, snippets, imports. */
const wholes: readonly string[] = [
  '',
  '# nothing\n',
  '.\n',
  '.\nwhoami\n',
  '. {\n    whoami\n',
  '. { whoami }\n',
  '. {\n}\n',
  '.\n{\n    whoami\n}\n',
  '. {\n    whoami\n}}\n',
  '\uFEFF. {\r\n    whoami\r\n}\r\n',
  'a..b {\n    whoami\n}\n',
  '.:99999 {\n    whoami\n}\n',
  '.: {\n    whoami\n}\n',
  '.:x {\n    whoami\n}\n',
  'dns://. {\n    whoami\n}\n',
  'foo://. {\n    whoami\n}\n',
  '. {\n    whoami\n}\n. {\n    whoami\n}\n',
  'example.org EXAMPLE.org {\n    whoami\n}\n',
  'example.org, example.net {\n    whoami\n}\n',
  'example.org,\nexample.net {\n    whoami\n}\n',
  'example.org\nexample.net {\n    whoami\n}\n',
  '(snip) {\n    whoami\n}\n',
  '(snip) {\n    whoami\n}\n. {\n    import snip\n}\n',
  '(snip) {\n    import snip\n}\n. {\n    import snip\n}\n',
  '(snip) {\n    whoami\n}\n(snip) {\n    whoami\n}\n. {\n    import snip\n}\n',
  '. {\n    import snip\n}\n(snip) {\n    whoami\n}\n',
  '. {\n    import {DIR}/missing\n}\n',
  '. {\n    import {DIR}/none*.conf\n    whoami\n}\n',
  '. {\n    import\n}\n',
  'import {DIR}/missing\n',
  '10.0.0.0/24 {\n    whoami\n}\n',
  '10.0.0.0/33 {\n    whoami\n}\n',
  '2001:db8::/32 {\n    whoami\n}\n',
  '{$PLEXUS_UNSET} {\n    whoami\n}\n',
  '. {\n    whoami "\n}\n',
  '. {\n    chaos "v 1" "a\nb"\n}\n',
  '. {\n    whoami\n    { \n}\n',
  `${'a'.repeat(64)}.test {\n    whoami\n}\n`,
  `${'a.'.repeat(130)} {\n    whoami\n}\n`,
]

/** Refused by us with a line that says why; CoreDNS serves the root, or drops the brace. */
const refused = /^foo:|PLEXUS_UNSET|\{ \n\}\n$/

/** Starts both; undefined when both take it or both refuse it. */
async function disagreement(
  t: ExecutionContext,
  corefile: string,
  options: { directory: string; store?: Store },
): Promise<string | undefined> {
  const { directory, store } = options
  const port = await freePort()
  mkdirSync(directory)
  const theirs = await startCoredns(t, { corefile, port, directory })
  theirs.child.kill('SIGKILL')
  let ours: unknown
  try {
    const dns = await startDns({ corefile: { text: corefile }, port, store, log: pino({ level: 'silent' }) })
    await dns.stop({ lameduck: false })
  } catch (error) {
    ours = error
  }
  if ((ours === undefined) === (theirs.status === undefined)) return undefined
  if (ours !== undefined) return `we refuse: ${String(ours)}`
  return `CoreDNS refuses: ${theirs.output().trim().split('\n').at(-1)}`
}

differential('whole files are taken by both or refused by both', async (t) => {
  t.timeout(300_000)
  const directory = testDirectory(t, 'wholes')
  const found: string[] = []
  for (const [number, whole] of wholes.entries()) {
    const corefile = whole.replaceAll('{DIR}', directory)
    const why = await disagreement(t, corefile, { directory: join(directory, String(number)) })
    if (why !== undefined && !refused.test(whole)) found.push(`${JSON.stringify(whole)}: ${why}`)
  }
  if (found.length > 0) t.log(found.join('\n'))
  t.is(found.length, 0, `${found.length} of ${wholes.length} differ`)
})

differential('every snippet is taken by both or refused by both', async (t) => {
  t.timeout(600_000)
  const directory = testDirectory(t, 'snippets')
  fixtures(directory)
  const { store } = await clusterOf(t)
  const found: string[] = []
  for (const [number, snippet] of snippets.entries()) {
    const corefile = `. {\n    bind 127.0.0.1\n    ${snippet}\n}\n`.replaceAll('{DIR}', directory)
    const why = await disagreement(t, corefile, { directory: join(directory, String(number)), store })
    if (why === undefined || deliberate.some(([pattern]) => pattern.test(snippet))) continue
    found.push(`${snippet}\n    ${why}`)
  }
  if (found.length > 0) t.log(found.join('\n'))
  t.is(found.length, 0, `${found.length} of ${snippets.length} differ`)
})
