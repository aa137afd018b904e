import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { CorefileError, DnsError, loadCorefile, parseCorefile } from '#dns'
import { parseDuration } from '../../dns/corefile/duration.ts'
import type { Directive } from '../../dns/corefile/tree.ts'
import { parseZoneKey } from '../../dns/corefile/zone-key.ts'
import { testDirectory } from '../support/index.ts'

const seed = Number(process.env['PLEXUS_SEED'] ?? Date.now() % 1_000_000)

/** Directives as nested arrays: [name, ...args, [block]]. */
function plain(directives: readonly Directive[]): unknown[] {
  return directives.map(({ name, args, block }) => [
    name,
    ...args.map(({ text }) => text),
    ...(block === undefined ? [] : [plain(block)]),
  ])
}

function parse(text: string, environment: NodeJS.ProcessEnv = {}): [string[], unknown[]][] {
  return parseCorefile(text, 'Corefile', { environment }).blocks.map((block) => [
    block.keys.map(({ text: key }) => key),
    plain(block.directives),
  ])
}

const cases: [title: string, text: string, expected: unknown][] = [
  ['one block', '. {\n  errors\n  log\n}\n', [[['.'], [['errors'], ['log']]]]],
  [
    'without braces',
    'example.org:53\nerrors\ncache 30',
    [[['example.org:53'], [['errors'], ['cache', '30']]]],
  ],
  ['keys only is a server without plugins', 'example.org', [[['example.org'], []]]],
  ['several keys', 'a.org b.org, c.org {\n}\n', [[['a.org', 'b.org', 'c.org'], []]]],
  ['a comma lets the next key stand on the next line', 'a.org,\nb.org {\n}', [[['a.org', 'b.org'], []]]],
  ['brace on the next line', 'a.org\n{\n whoami\n}', [[['a.org'], [['whoami']]]]],
  [
    'several blocks',
    'a {\nlog\n}\nb {\n}',
    [
      [['a'], [['log']]],
      [['b'], []],
    ],
  ],
  [
    'properties',
    '. {\n forward . 1.1.1.1 {\n  except a b\n  force_tcp\n }\n}',
    [[['.'], [['forward', '.', '1.1.1.1', [['except', 'a', 'b'], ['force_tcp']]]]]],
  ],
  ['comments, also glued to a word', '# c\n. { # c\n log#bar\n # } \n}', [[['.'], [['log']]]]],
  [
    'quotes',
    '. {\n log "a b" "" "q\\"x" mid"quote "back\\slash"\n}',
    [[['.'], [['log', 'a b', '', 'q"x', 'mid"quote', 'back\\slash']]]],
  ],
  [
    'a quoted newline does not end the line',
    '. {\n log "a\nb" c\n errors\n}',
    [[['.'], [['log', 'a\nb', 'c'], ['errors']]]],
  ],
  ['a quoted brace is a word', '. {\n log "{" x\n}', [[['.'], [['log', '{', 'x']]]]],
  ['CRLF and BOM', '\ufeff. {\r\n log x\r\n}\r\n', [[['.'], [['log', 'x']]]]],
  [
    'snippets',
    '(s) {\n errors\n log\n}\n. {\n import s\n cache\n}\na {\n import s\n}',
    [
      [['.'], [['errors'], ['log'], ['cache']]],
      [['a'], [['errors'], ['log']]],
    ],
  ],
  [
    'import inside properties',
    '(e) {\n except a\n}\n. {\n forward . 1.1.1.1 {\n  import e\n }\n}',
    [[['.'], [['forward', '.', '1.1.1.1', [['except', 'a']]]]]],
  ],
  [
    'environment',
    '{$ZONE}:{%PORT%} {\n forward . {$UP} {$NONE}\n log {$}\n}',
    [
      [
        ['x.org:99'],
        [
          ['forward', '.', '9.9.9.9', ''],
          ['log', '{$}'],
        ],
      ],
    ],
  ],
  ['a value of the environment is one word', '. {\n log {$SPACED}\n}', [[['.'], [['log', 'a b {']]]]],
  ['empty file', '', []],
]
for (const [title, text, expected] of cases) {
  test(`parses: ${title}`, (t) => {
    t.deepEqual(
      parse(text, { ZONE: 'x.org', PORT: '99', UP: '9.9.9.9', SPACED: 'a b {' }),
      expected as [string[], unknown[]][],
    )
  })
}

const errors: [title: string, text: string, line: number, message: RegExp][] = [
  ['missing brace', '. {\n errors\n', 1, /no matching '}'/],
  ['brace too many', '. {\n}\n}\n', 3, /without a matching '{'/],
  ['comma without key', 'a,', 1, /must follow the comma/],
  ['comma before brace', 'a, {\n}', 1, /must follow the comma/],
  ['no key', '{\n}', 1, /without a key/],
  ['brace on the line after a directive', '. {\n forward . 1.1.1.1\n {\n }\n}', 3, /line of the directive/],
  ['closing brace behind a directive', '. {\n log }\n}', 2, /line of its own/],
  ['one-line block', '. {\n health { lameduck 5s }\n}', 2, /line of its own/],
  ['snippet twice', '(s) {\n}\n(s) {\n}', 3, /already defined/],
  ['snippet that imports itself', '(s) {\n import s\n}\n. {\n import s\n}', 2, /cycle/],
  ['import of nothing', '. {\n\n import nope\n}', 3, /cannot import/],
  ['import without argument', '. {\n import\n}', 2, /needs a snippet name or a file/],
]
for (const [title, text, line, message] of errors) {
  test(`refuses with file and line: ${title}`, (t) => {
    const error = t.throws(() => parseCorefile(text, '/etc/Corefile', { environment: {} }), {
      instanceOf: CorefileError,
    })
    t.is(error?.line, line)
    t.is(error?.file, '/etc/Corefile')
    t.regex(error?.message ?? '', message)
    t.true(error?.message.startsWith(`/etc/Corefile:${line}: `))
  })
}

const wrongDirectives: [text: string, line: number, code: string, message: RegExp][] = [
  ['. {\n frobnicate\n}', 2, 'DNS_PLUGIN_UNKNOWN', /unknown directive 'frobnicate'/],
  ['. {\n cahce 30\n}', 2, 'DNS_PLUGIN_UNKNOWN', /did you mean 'cache'/],
  ['. {\n errors\n etcd\n}', 3, 'DNS_PLUGIN_PLANNED', /'etcd' is a CoreDNS plugin that Plexus does not have/],
  ['.:port {\n}', 1, 'DNS_COREFILE_KEY', /no port/],
  ['ftp://. {\n}', 1, 'DNS_COREFILE_KEY', /no scheme/],
]
for (const [text, line, code, message] of wrongDirectives) {
  test(`names what is wrong: ${text.replaceAll('\n', ' ')}`, (t) => {
    const error = t.throws(() => loadCorefile({ text }), { instanceOf: CorefileError })
    t.is(error?.code, code as never)
    t.is(error?.line, line)
    t.regex(error?.message ?? '', message)
  })
}

test('files are imported relative to the file that says so, and errors name them', (t) => {
  const directory = testDirectory(t, 'corefile')
  mkdirSync(join(directory, 'd'))
  writeFileSync(join(directory, 'Corefile'), 'import d/*.conf\n. {\n import d/plugins\n}\nimport none*\n')
  writeFileSync(join(directory, 'd', 'a.conf'), 'a.org {\n import plugins\n}\n')
  writeFileSync(join(directory, 'd', 'b.conf'), 'b.org {\n log\n}\n')
  writeFileSync(join(directory, 'd', 'plugins'), 'errors\ncache 30')
  const corefile = loadCorefile(join(directory, 'Corefile'))
  t.deepEqual(
    corefile.blocks.map((block) => [block.keys[0]?.text, plain(block.directives)]),
    [
      ['a.org', [['errors'], ['cache', '30']]],
      ['b.org', [['log']]],
      ['.', [['errors'], ['cache', '30']]],
    ],
  )
  t.is(corefile.warnings.length, 1)
  t.deepEqual(corefile.imported.map((file) => file.slice(directory.length)).sort(), [
    '/d/a.conf',
    '/d/b.conf',
    '/d/plugins',
    '/d/plugins',
  ])
  writeFileSync(join(directory, 'd', 'plugins'), 'errors\n\nnonsense')
  const error = t.throws(() => loadCorefile(join(directory, 'Corefile')), { instanceOf: CorefileError })
  t.is(error?.file, join(directory, 'd', 'plugins'))
  t.is(error?.line, 3)
})

test('keys: zone, scheme, port, CIDR', (t) => {
  const at = { file: 'Corefile', line: 1 }
  const key = (text: string): unknown => {
    const { scheme, zones, port } = parseZoneKey(text, at, 1053)
    return [scheme, zones, port]
  }
  t.deepEqual(key('.'), ['dns', ['.'], 1053])
  t.deepEqual(key(':5353'), ['dns', ['.'], 5353])
  t.deepEqual(key('Example.ORG:53'), ['dns', ['example.org.'], 53])
  t.deepEqual(key('dns://example.org'), ['dns', ['example.org.'], 1053])
  t.deepEqual(key('tls://example.org'), ['tls', ['example.org.'], 853])
  t.deepEqual(key('10.0.0.0/24'), ['dns', ['0.0.10.in-addr.arpa.'], 1053])
  t.deepEqual(key('10.0.0.0/15'), ['dns', ['0.10.in-addr.arpa.', '1.10.in-addr.arpa.'], 1053])
  t.deepEqual(key('10.0.0.7/8:54'), ['dns', ['10.in-addr.arpa.'], 54])
  t.deepEqual(key('2001:db8::/32'), ['dns', ['8.b.d.0.1.0.0.2.ip6.arpa.'], 1053])
  t.is((key('10.0.0.128/25') as [string, string[], number])[1].length, 128)
  t.is((key('2001:db8::/30') as [string, string[], number])[1].length, 4)
})

test('durations as Go writes them', (t) => {
  const wanted: [string, number | undefined][] = [
    ['5s', 5000],
    ['1m30s', 90_000],
    ['300ms', 300],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['5', undefined],
    ['', undefined],
    ['s', undefined],
    ['-1s', -1000],
  ]
  for (const [text, value] of wanted) t.is(parseDuration(text), value, text)
})

test('whatever the text is, the parser throws its own error or nothing', (t) => {
  const word = fc.constantFrom(
    '.',
    '{',
    '}',
    '\n',
    '"',
    '#',
    ',',
    '(s)',
    'import',
    's',
    'log',
    '{$A}',
    '{%A%}',
    '\\"',
    'a,',
    ' ',
    '\t',
    '\ufeff',
    'x:1',
    '*',
    '[',
    '/',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 40 }).map((words) => words.join(' ')),
        fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
      ),
      (text) => {
        try {
          parseCorefile(text, '/nonexistent/Corefile', { environment: { A: 'x' } })
        } catch (error) {
          if (!(error instanceof DnsError)) throw error
        }
      },
    ),
    { seed, numRuns: 2000 },
  )
  t.pass(`seed ${seed}`)
})

test("the Corefiles of kubeadm and of the project's sources parse with the plugins there are", (t) => {
  for (const file of ['kubeadm', 'seed-notes', 'seed-chapter', 'stub-domain']) {
    const path = new URL(`./corefiles/${file}`, import.meta.url).pathname
    t.true(readFileSync(path, 'utf8').length > 50)
    t.notThrows(() => loadCorefile(path))
  }
})
