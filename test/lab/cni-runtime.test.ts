import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pino } from 'pino'
import { CniPluginError, CniRuntimeError } from '../../lab/kubelet/cni/errors.ts'
import { loadDefaultNetwork, type NetworkList, parseNetworkList } from '../../lab/kubelet/cni/network-list.ts'
import { CniRuntime } from '../../lab/kubelet/cni/runtime.ts'
import { testDirectory } from '../support/index.ts'

/** A plugin that writes down how it was called and answers with what lies in `<type>.<operation>.out`, if anything does. */
const FAKE_PLUGIN = `#!/bin/sh
dir=$(dirname "$0")
type=$(basename "$0")
stdin=$(cat)
env | grep '^CNI_' | LC_ALL=C sort | tr '\\n' '|' >> "$dir/calls"
printf ' %s %s\\n' "$type" "$stdin" >> "$dir/calls"
answer="$dir/$type.$CNI_COMMAND.out"
[ -f "$answer" ] && cat "$answer"
[ -f "$dir/$type.$CNI_COMMAND.fails" ] && exit 1
exit 0
`

interface Call {
  readonly type: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: Record<string, unknown>
}

function setUp(t: ExecutionContext, plugins: string[] = ['first', 'second']) {
  const bin = testDirectory(t, 'cni')
  const cacheDirectory = path.join(bin, 'cache')
  for (const type of plugins) {
    writeFileSync(path.join(bin, type), FAKE_PLUGIN)
    chmodSync(path.join(bin, type), 0o755)
  }
  const answer = (plugin: string, operation: string, value: unknown) =>
    writeFileSync(path.join(bin, `${plugin}.${operation}.out`), JSON.stringify(value))
  const calls = (): Call[] =>
    readFileSync(path.join(bin, 'calls'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const end = line.lastIndexOf('| ')
        const [type = '', ...stdin] = line.slice(end + 2).split(' ')
        const env = line
          .slice(0, end)
          .split('|')
          .map((pair) => [pair.replace(/=.*/s, ''), pair.replace(/^[^=]*=/, '')])
        return { type, env: Object.fromEntries(env), stdin: JSON.parse(stdin.join(' ')) as Call['stdin'] }
      })
  const runtime = () =>
    new CniRuntime({ path: ['/nowhere', bin], cacheDirectory, log: pino({ level: 'silent' }) })
  return { bin, cacheDirectory, answer, calls, runtime }
}

function network(
  extra: Record<string, unknown> = {},
  plugins: unknown[] = [{ type: 'first', mtu: 1400 }, { type: 'second' }],
) {
  return parseNetworkList(
    JSON.stringify({ cniVersion: '1.1.0', name: 'net', plugins, ...extra }),
    'test.conflist',
  )
}

const attachment = {
  containerId: 'c1',
  netns: '/run/netns/x',
  ifName: 'eth0',
  args: [
    ['K8S_POD_NAMESPACE', 'shop'],
    ['K8S_POD_NAME', 'web-1'],
  ],
} as const

const firstResult = { cniVersion: '1.1.0', ips: [{ address: '10.244.1.2/24' }] }
const secondResult = { cniVersion: '1.1.0', ips: [{ address: '10.244.1.2/24' }], second: true }

test('ADD runs the plugins in order, each with the result of the one before', async (t) => {
  const { bin, answer, calls, runtime } = setUp(t)
  answer('first', 'ADD', firstResult)
  answer('second', 'ADD', secondResult)
  t.deepEqual(await runtime().add(network(), attachment), secondResult)
  const [first, second] = calls()
  t.deepEqual(first?.env, {
    CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1',
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c1',
    CNI_IFNAME: 'eth0',
    CNI_NETNS: '/run/netns/x',
    CNI_PATH: `/nowhere:${bin}`,
  })
  t.deepEqual(first?.stdin, { type: 'first', mtu: 1400, name: 'net', cniVersion: '1.1.0' })
  t.deepEqual(second?.stdin['prevResult'], firstResult)
})

test('the result is cached as libcni caches it', async (t) => {
  const { cacheDirectory, answer, runtime } = setUp(t)
  answer('first', 'ADD', firstResult)
  answer('second', 'ADD', secondResult)
  const list = network()
  await runtime().add(list, { ...attachment, capabilities: { portMappings: [{ hostPort: 80 }] } })
  t.deepEqual(readdirSync(path.join(cacheDirectory, 'results')), ['net-c1-eth0'])
  const cached = JSON.parse(readFileSync(path.join(cacheDirectory, 'results/net-c1-eth0'), 'utf8'))
  t.deepEqual(
    { ...cached, config: Buffer.from(cached.config, 'base64').toString() },
    {
      kind: 'cniCacheV1',
      containerId: 'c1',
      config: list.source,
      ifName: 'eth0',
      networkName: 'net',
      netns: '/run/netns/x',
      cniArgs: attachment.args,
      capabilityArgs: { portMappings: [{ hostPort: 80 }] },
      result: secondResult,
    },
  )
})

test('DEL runs backwards, with the result of ADD, by a runtime that was started since', async (t) => {
  const { bin, cacheDirectory, answer, calls, runtime } = setUp(t)
  answer('first', 'ADD', firstResult)
  answer('second', 'ADD', secondResult)
  await runtime().add(network(), attachment)
  writeFileSync(path.join(bin, 'calls'), '')
  // The configuration on disk changed meanwhile: what was added is deleted as it was added.
  await runtime().del(network({}, [{ type: 'first', mtu: 9000 }]), { ...attachment, args: [] })
  t.deepEqual(
    calls().map(({ type, env, stdin }) => [
      type,
      env['CNI_COMMAND'],
      env['CNI_ARGS'],
      stdin['mtu'],
      stdin['prevResult'],
    ]),
    [
      ['second', 'DEL', 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1', undefined, secondResult],
      ['first', 'DEL', 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1', 1400, secondResult],
    ],
  )
  t.false(existsSync(path.join(cacheDirectory, 'results/net-c1-eth0')))
})

test('DEL without a cached result, and of a configuration before 0.4.0, has no prevResult', async (t) => {
  const { answer, calls, runtime } = setUp(t, ['first'])
  await runtime().del(network({}, [{ type: 'first' }]), attachment)
  answer('first', 'ADD', { ...firstResult, cniVersion: '0.3.1' })
  const old = network({ cniVersion: '0.3.1' }, [{ type: 'first' }])
  await runtime().add(old, attachment)
  await runtime().del(old, attachment)
  t.deepEqual(
    calls().map(({ env, stdin }) => [env['CNI_COMMAND'], 'prevResult' in stdin]),
    [
      ['DEL', false],
      ['ADD', false],
      ['DEL', false],
    ],
  )
})

test('a plugin error is thrown with its code, and what was added is deleted', async (t) => {
  const { bin, cacheDirectory, answer, calls, runtime } = setUp(t)
  answer('first', 'ADD', firstResult)
  answer('second', 'ADD', { code: 11, msg: 'try again', details: 'later' })
  writeFileSync(path.join(bin, 'second.ADD.fails'), '')
  const error = await t.throwsAsync(runtime().add(network(), attachment), { instanceOf: CniPluginError })
  t.is(error?.pluginCode, 11)
  t.is(error?.message, 'plugin second failed (ADD): try again: later')
  t.deepEqual(
    calls().map(({ type, env }) => `${env['CNI_COMMAND']} ${type}`),
    ['ADD first', 'ADD second', 'DEL second', 'DEL first'],
  )
  t.deepEqual(
    existsSync(path.join(cacheDirectory, 'results')) ? readdirSync(path.join(cacheDirectory, 'results')) : [],
    [],
  )
})

test('a plugin that fails without an error object is quoted', async (t) => {
  const { bin, runtime } = setUp(t, ['first'])
  writeFileSync(path.join(bin, 'first'), '#!/bin/sh\necho "out of cheese" >&2\nexit 3\n')
  const error = await t.throwsAsync(runtime().add(network({}, [{ type: 'first' }]), attachment), {
    instanceOf: CniPluginError,
  })
  t.regex(error?.message ?? '', /exit code 3.*out of cheese/)
})

test('runtimeConfig holds what a plugin declares and the runtime has', async (t) => {
  const { answer, calls, runtime } = setUp(t)
  answer('first', 'ADD', firstResult)
  answer('second', 'ADD', secondResult)
  const list = network({}, [
    { type: 'first', capabilities: { portMappings: true, bandwidth: true, dns: false } },
    { type: 'second' },
  ])
  await runtime().add(list, { ...attachment, capabilities: { portMappings: [1], dns: {} } })
  const [first, second] = calls()
  t.deepEqual(first?.stdin['runtimeConfig'], { portMappings: [1] })
  t.false('runtimeConfig' in (second?.stdin ?? {}))
})

test('CHECK passes the cached result and is skipped where the configuration says so', async (t) => {
  const { answer, calls, runtime } = setUp(t, ['first'])
  const list = (extra: object): NetworkList => network({ ...extra }, [{ type: 'first' }])
  answer('first', 'ADD', firstResult)
  await runtime().add(list({}), attachment)
  await runtime().check(list({}), attachment)
  await runtime().check(list({ disableCheck: true }), attachment)
  t.deepEqual(
    calls().map(({ env, stdin }) => [env['CNI_COMMAND'], stdin['prevResult']]),
    [
      ['ADD', undefined],
      ['CHECK', firstResult],
    ],
  )
  await t.throwsAsync(runtime().check(list({ cniVersion: '0.3.1' }), attachment), {
    message: /does not support CHECK/,
  })
})

test('a missing plugin is named with the path that was searched', async (t) => {
  const { bin, runtime } = setUp(t, ['first'])
  await t.throwsAsync(runtime().del(network({}, [{ type: 'absent' }]), attachment), {
    instanceOf: CniRuntimeError,
    message: `failed to find plugin "absent" in path [/nowhere ${bin}]`,
  })
})

test('the first configuration by name is the default network; a .conf is a list of one', (t) => {
  const directory = testDirectory(t, 'netd')
  mkdirSync(directory, { recursive: true })
  t.throws(() => loadDefaultNetwork(directory), { message: /no network configuration/ })
  writeFileSync(
    path.join(directory, '20-b.conflist'),
    JSON.stringify({ name: 'b', plugins: [{ type: 'x' }] }),
  )
  writeFileSync(
    path.join(directory, '10-a.conf'),
    JSON.stringify({ cniVersion: '0.4.0', name: 'a', type: 'bridge' }),
  )
  writeFileSync(path.join(directory, '00-readme.txt'), 'not this')
  const list = loadDefaultNetwork(directory)
  t.is(list.name, 'a')
  t.deepEqual(
    list.plugins.map(({ type }) => type),
    ['bridge'],
  )
})

for (const [what, text] of [
  ['not JSON', '{'],
  ['"name" is missing', '{"plugins":[{"type":"a"}]}'],
  ['"plugins" is not a list of plugins', '{"name":"a","plugins":[]}'],
  ['"plugins[0].type" is missing', '{"name":"a","plugins":[{}]}'],
] as const) {
  test(`a bad configuration is refused: ${what}`, (t) => {
    const error = t.throws(() => parseNetworkList(text, '/etc/cni/net.d/x.conflist'), {
      instanceOf: CniRuntimeError,
    })
    t.true(error?.message.startsWith('/etc/cni/net.d/x.conflist: '))
    t.true(error?.message.includes(what))
  })
}
