import test from 'ava'
import fc from 'fast-check'
import {
  applyUriRules,
  canonicalUri,
  compileExpression,
  compileParameters,
  type MatchInput,
  parametersOf,
  type RouteMatch,
  Router,
  type RouterMode,
  type UriRules,
} from '../../ingress/route/index.ts'

const match = (uris: string | readonly string[], more: Partial<RouteMatch> = {}): RouteMatch => ({
  uris: [uris].flat(),
  hosts: [],
  methods: [],
  remoteAddrs: [],
  vars: [],
  priority: 0,
  ...more,
})

const input = (path: string, more: Partial<MatchInput> = {}): MatchInput => ({
  path,
  host: 'a.org',
  hostPort: more.host ?? 'a.org',
  method: 'GET',
  remoteAddr: '10.0.0.1',
  variables: () => undefined,
  ...more,
})

function router(routes: Record<string, RouteMatch>, mode: RouterMode = 'radixtree_host_uri'): Router<string> {
  const made = new Router<string>(mode)
  for (const [id, route] of Object.entries(routes)) made.set(id, route, id)
  return made
}

test('exact before prefix whatever the priority, the longest prefix first, priority only inside one prefix', (t) => {
  const made = router({
    all: match('/*', { priority: 100 }),
    foo: match('/foo*', { priority: 50 }),
    fooSlash: match('/foo/*'),
    exact: match('/foo/bar', { priority: -10 }),
    fooSlashHigh: match('/foo/*', { priority: 1, methods: ['POST'] }),
    middle: match('/foo/*/end'),
  })
  t.is(made.find(input('/foo/bar')), 'exact')
  t.is(made.find(input('/foo/x')), 'fooSlash')
  t.is(made.find(input('/foo/x', { method: 'POST' })), 'fooSlashHigh')
  t.is(made.find(input('/foobar')), 'foo')
  t.is(made.find(input('/foo')), 'foo')
  t.is(made.find(input('/fo')), 'all')
  t.is(made.find(input('/foo/a/b/end')), 'middle', 'the longer pattern of one prefix first')
  t.is(made.find(input('foo')), undefined)
})

test('the host decides first: exact, then the longest wildcard, then any; then down to the next', (t) => {
  const made = router({
    exact: match('/a', { hosts: ['www.a.org'] }),
    wild: match('/*', { hosts: ['*.a.org'] }),
    wildDeep: match('/b', { hosts: ['*.x.a.org'] }),
    star: match('/c', { hosts: ['*'] }),
    any: match('/*'),
    port: match('/p', { hosts: ['a.org:81'] }),
  })
  t.is(made.find(input('/a', { host: 'www.a.org' })), 'exact')
  t.is(made.find(input('/b', { host: 'www.a.org' })), 'wild')
  t.is(made.find(input('/b', { host: 'y.x.a.org' })), 'wildDeep')
  t.is(made.find(input('/a', { host: 'y.x.a.org' })), 'wild')
  t.is(made.find(input('/a', { host: 'a.org' })), 'any', '*.a.org is not a.org')
  t.is(made.find(input('/c', { host: 'z.org' })), 'star')
  t.is(made.find(input('/p', { host: 'a.org', hostPort: 'a.org:81' })), 'port')
  t.is(made.find(input('/p', { host: 'a.org', hostPort: 'a.org:82' })), 'any')
})

test('radixtree_uri: the host is a filter, the longest path wins over the better host', (t) => {
  const made = router(
    { wild: match('/a/b', { hosts: ['*.org'] }), exact: match('/a/*', { hosts: ['a.org'] }) },
    'radixtree_uri',
  )
  t.is(made.find(input('/a/b')), 'wild')
  t.is(made.find(input('/a/c')), 'exact')
  t.is(made.find(input('/a/b', { host: 'a.com' })), undefined)
})

test('radixtree_uri_with_parameter: segments that begin with a colon or a star have names', (t) => {
  const made = router(
    {
      user: match('/user/:name'),
      posts: match('/user/:name/posts/:id'),
      rest: match('/files/:owner/*path'),
      exact: match('/user/root'),
      low: match('/user/:name', { priority: -1 }),
      prefix: match('/user*', { priority: 100 }),
      colon: match('/a:b'),
    },
    'radixtree_uri_with_parameter',
  )
  t.is(made.find(input('/user/john')), 'user')
  t.is(made.find(input('/user/root')), 'exact')
  t.is(made.find(input('/user/')), 'prefix', 'a parameter is not empty')
  t.is(made.find(input('/user/john/posts')), 'prefix')
  t.is(made.find(input('/user/john/posts/7')), 'posts')
  t.is(made.find(input('/files/john/a/b')), 'rest')
  t.is(made.find(input('/files/john/')), 'rest')
  t.is(made.find(input('/files/john')), undefined)
  t.is(made.find(input('/a:b')), 'colon')
  made.delete('user')
  t.is(made.find(input('/user/john')), 'low')
  made.delete('low')
  t.is(made.find(input('/user/john')), 'prefix')
  const parameters = (pattern: string, path: string) =>
    Object.fromEntries(parametersOf([compileParameters(pattern)], path) ?? [])
  t.deepEqual(parameters('/user/:name/posts/:id', '/user/john doe/posts/7'), { name: 'john doe', id: '7' })
  t.deepEqual(parameters('/files/:owner/*path', '/files/john/a/b'), { owner: 'john', path: 'a/b' })
  t.deepEqual(parameters('/x.y/:name', '/xzy/a'), {})
})

test('rules for paths: tail slash, what follows a semicolon, escaped slashes', (t) => {
  const NONE: UriRules = { deleteTailSlash: false, likeServlet: false, matchEncodedSlash: false }
  const ruled = (target: string, rules: Partial<UriRules>) => {
    const uri = canonicalUri(target)
    const found = uri === undefined ? undefined : applyUriRules(uri, { ...NONE, ...rules })
    return found === undefined ? undefined : [found.path, found.matchPath, found.wire]
  }
  t.deepEqual(ruled('/a/?x', { deleteTailSlash: true }), ['/a', '/a', '/a/?x'])
  t.deepEqual(ruled('/', { deleteTailSlash: true }), ['/', '/', '/'])
  t.deepEqual(ruled('/a;v=1/b;c?x=;', { likeServlet: true }), ['/a/b', '/a/b', '/a;v=1/b;c?x=;'])
  for (const bad of ['/..;/admin', '/a/.;/b', '/;/b']) t.is(ruled(bad, { likeServlet: true }), undefined, bad)
  const slash = { matchEncodedSlash: true }
  t.deepEqual(ruled('/v/a%2Fb/c', slash), ['/v/a/b/c', '/v/a%2Fb/c', '/v/a%2Fb/c'])
  t.deepEqual(ruled('/v/%41%2fb', slash), ['/v/A/b', '/v/A%2Fb', '/v/%41%2fb'])
  t.deepEqual(ruled('/v%2F../x', slash)?.slice(0, 2), ['/x', '/x'], 'where more than decoding was needed')
  t.deepEqual(ruled('/v//a%2Fb', slash)?.slice(0, 2), ['/v/a/b', '/v/a/b'])
  t.deepEqual(ruled('/v?x=%2F', slash)?.slice(0, 2), ['/v', '/v'])
})

test('a candidate that fails a filter falls through to the next', (t) => {
  const made = router({
    addr: match('/x', { remoteAddrs: ['192.168.0.0/16', '::1'], priority: 3 }),
    vars: match('/x', { vars: [['http_x', '==', '1']], priority: 2 }),
    rest: match('/x'),
  })
  t.is(made.find(input('/x', { remoteAddr: '192.168.3.4' })), 'addr')
  t.is(made.find(input('/x', { variables: (name) => (name === 'http_x' ? '1' : undefined) })), 'vars')
  t.is(made.find(input('/x')), 'rest')
})

test('vars expressions', (t) => {
  const values: Record<string, string | number> = {
    n: '12',
    s: 'Hello',
    ip: '10.1.2.3',
    list: 'a, b',
    empty: '',
  }
  const holds = (rule: unknown[]) => compileExpression(rule)((name) => values[name])
  for (const rule of [
    [],
    [['n', '==', 12]],
    [
      ['n', '>', 3],
      ['n', '<=', '12'],
    ],
    [['s', '~~', '^He']],
    [['s', '~*', 'hello']],
    [['s', '!', '~~', '^x']],
    [['s', 'in', ['x', 'Hello']]],
    [['list', 'has', 'b']],
    [['ip', 'ipmatch', ['10.0.0.0/8']]],
    [['absent', '==', null]],
    [['absent', '~=', 'x']],
    ['OR', ['s', '==', 'x'], ['n', '==', '12']],
    ['!AND', ['s', '==', 'Hello'], ['n', '==', '13']],
    [['s', 'Hello']],
    ['or', [['s', '==', 'x']], [['n', 'IN', ['12']]]],
  ])
    t.true(holds(rule), JSON.stringify(rule))
  for (const rule of [
    [['s', '==', 5]],
    [['s', '>', 5]],
    [['absent', '>', 0]],
    [['empty', '==', 0]],
    [['absent', 'in', ['']]],
    [['s', '!', '==', 'Hello']],
    ['!OR', ['s', '==', 'Hello'], ['n', '==', '13']],
  ])
    t.false(holds(rule), JSON.stringify(rule))
  t.throws(() => compileExpression([['s', '=', 'x']]), { message: "invalid operator '='" })
  const bare = 'rule should be wrapped inside brackets'
  t.throws(() => compileExpression(['s', '==', 'x']), { message: bare })
  t.throws(() => compileExpression(['AND', ['s', '==', 'x'], 's']), { message: bare })
  t.throws(() => compileExpression(['AND', ['s', '==', 'x']]), { message: 'rule too short' })
  t.throws(() => compileExpression([[]]), { message: 'rule too short' })
  t.notThrows(() => compileExpression([['post_arg.a[0].b[*].c', '==', 'x']]))
  for (const path of ['a[.b', 'a[x]', 'a..b', ''])
    t.throws(() => compileExpression([[`post_arg.${path}`, '==', 'x']]), { message: 'invalid expression' })
  t.throws(() => compileExpression([['s', '~~', '(']]), { message: /invalid regex/ })
})

test('the table agrees with a plain search over all routes, also after removals', (t) => {
  const seed = 20_261_121
  t.log(`seed ${seed}`)
  const segment = fc.constantFrom('a', 'ab', 'b', 'abc')
  const pattern = fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '*', '/*'))
    .map(([parts, end]) => `/${parts.join('/')}${end}`)
  const routes = fc.array(fc.record({ uri: pattern, priority: fc.integer({ min: 0, max: 2 }) }), {
    maxLength: 12,
  })
  const path = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
  fc.assert(
    fc.property(routes, fc.array(fc.nat(11), { maxLength: 6 }), path, (list, removed, wanted) => {
      const made = new Router<number>()
      list.forEach(({ uri, priority }, index) => {
        made.set(String(index), match(uri, { priority }), index)
      })
      for (const index of removed) made.delete(String(index))
      const alive = list
        .map((route, index) => ({ ...route, index }))
        .filter(({ index }) => !removed.includes(index))
      const rank = ({ uri }: { uri: string }) =>
        uri.endsWith('*') ? uri.length - 1 : Number.POSITIVE_INFINITY
      const fits = ({ uri }: { uri: string }) =>
        uri.endsWith('*') ? wanted.startsWith(uri.slice(0, -1)) : wanted === uri
      const expected = alive
        .filter(fits)
        .sort((a, b) =>
          rank(a) === rank(b) ? b.priority - a.priority || a.index - b.index : rank(b) - rank(a),
        )[0]
      return made.find(input(wanted)) === expected?.index
    }),
    { seed, numRuns: 2000 },
  )
  t.pass()
})

test('canonical paths', (t) => {
  const path = (target: string) => canonicalUri(target)?.path
  t.is(path('/a/b?x=../y'), '/a/b')
  t.is(path('/a//b'), '/a/b')
  t.is(path('/a/./b/../c'), '/a/c')
  t.is(path('/a/%2e%2E/c'), '/c')
  t.is(path('/a%2Fb'), '/a/b')
  t.is(path('/a/..'), '/')
  t.is(path('/.well-known/x'), '/.well-known/x')
  t.is(path('/%C3%A9'), '/é')
  t.is(path('/\xc3\xa9'), '/é', 'raw bytes mean the same as escaped ones')
  t.is(path('/..'), undefined)
  t.is(path('/%00'), undefined)
  t.is(path('/%4'), undefined)
  t.is(canonicalUri('/a/../b%20c?q')?.wire, '/b%20c?q')
  t.is(canonicalUri('/a%2Fb')?.wire, '/a%2Fb')
})
