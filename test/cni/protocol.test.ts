import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { dispatch, plugins } from '#cni'
import { command, tryCommand } from '../support/command.ts'
import { binDirectory, type CniOutput, launchers, Node, referenceDirectory } from './runtime.ts'

const good = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/nonexistent',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/none',
}
const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

interface Case {
  readonly title: string
  readonly environment?: Record<string, string>
  readonly stdin?: string
  readonly error: { code: number; msg: string | RegExp; details?: string }
  /** The installed reference plugin (1.1.1) is older than the behaviour asked for. */
  readonly newerThanReference?: boolean
}

const named = (more: object = {}): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'bridge', ...more })

const cases: readonly Case[] = [
  {
    title: 'missing variables',
    environment: { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_PATH: '' },
    error: { code: 4, msg: 'required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_PATH] missing' },
  },
  {
    title: 'bad container ID',
    environment: { CNI_CONTAINERID: 'some-%%container-id' },
    error: { code: 4, msg: 'invalid characters in containerID', details: 'some-%%container-id' },
  },
  {
    title: 'path as container ID',
    environment: { CNI_CONTAINERID: '../x' },
    error: { code: 4, msg: 'invalid characters in containerID', details: '../x' },
  },
  {
    title: 'long interface name',
    environment: { CNI_IFNAME: 'a234567890123456' },
    error: {
      code: 4,
      msg: 'interface name is too long',
      details: 'interface name should be less than 16 characters',
    },
  },
  {
    title: 'interface name ..',
    environment: { CNI_IFNAME: '..' },
    error: { code: 4, msg: 'interface name is . or ..' },
  },
  {
    title: 'interface name a/b',
    environment: { CNI_IFNAME: 'a/b' },
    error: { code: 4, msg: 'interface name contains / or : or whitespace characters' },
  },
  {
    title: 'interface name a:b',
    environment: { CNI_IFNAME: 'a:b' },
    error: { code: 4, msg: 'interface name contains / or : or whitespace characters' },
  },
  {
    title: 'interface name "a b"',
    environment: { CNI_IFNAME: 'a b' },
    error: { code: 4, msg: 'interface name contains / or : or whitespace characters' },
  },
  {
    title: 'environment before stdin',
    environment: { CNI_IFNAME: '..' },
    stdin: '{{',
    error: { code: 4, msg: 'interface name is . or ..' },
    newerThanReference: true,
  },
  { title: 'bad JSON', stdin: '{{', error: { code: 6, msg: /^error unmarshall network config: / } },
  {
    title: 'JSON before the version',
    stdin: '{"cniVersion":"9.9.9"',
    error: { code: 6, msg: /^error unmarshall network config: / },
  },
  { title: 'no name', stdin: '{"cniVersion":"1.0.0"}', error: { code: 7, msg: 'missing network name' } },
  {
    title: 'bad name',
    stdin: '{"cniVersion":"1.0.0","name":"a/b"}',
    error: { code: 7, msg: 'invalid characters found in network name', details: 'a/b' },
  },
  {
    title: 'unknown version',
    stdin: named({ cniVersion: '9.9.9' }),
    error: {
      code: 1,
      msg: 'incompatible CNI versions',
      details: `config is "9.9.9", plugin supports [${versions.map((v) => `"${v}"`).join(' ')}]`,
    },
    newerThanReference: true,
  },
  {
    title: 'unknown command',
    environment: { CNI_COMMAND: 'FOO' },
    stdin: named(),
    error: { code: 4, msg: 'unknown CNI_COMMAND: FOO' },
  },
  {
    title: 'CHECK at 0.3.1',
    environment: { CNI_COMMAND: 'CHECK' },
    stdin: named({ cniVersion: '0.3.1' }),
    error: { code: 1, msg: 'config version does not allow CHECK' },
  },
  {
    title: 'CHECK of a version that is none',
    environment: { CNI_COMMAND: 'CHECK' },
    stdin: named({ cniVersion: 'adsfsadf' }),
    error: { code: 6, msg: /adsfsadf/ },
  },
  {
    title: 'GC at 1.0.0',
    environment: { CNI_COMMAND: 'GC' },
    stdin: named(),
    error: { code: 1, msg: 'config version does not allow GC' },
    newerThanReference: true,
  },
  {
    title: 'STATUS at 1.0.0',
    environment: { CNI_COMMAND: 'STATUS' },
    stdin: named(),
    error: { code: 1, msg: 'config version does not allow STATUS' },
    newerThanReference: true,
  },
]

for (const { title, environment, stdin = named(), error, newerThanReference } of cases) {
  const subjects = newerThanReference ? [binDirectory] : [binDirectory, referenceDirectory]
  for (const directory of subjects) {
    test(`${directory === binDirectory ? 'ours' : 'reference'}: ${title}`, (t) => {
      // A plugin that ends before it has read its stdin makes an EPIPE here; what it says is what counts.
      const options = { input: stdin, env: { ...good, ...environment }, encoding: 'utf8' } as const
      const result = spawnSync(join(directory, 'bridge'), [], options)
      t.not(result.status, 0)
      const { code, msg = '', details } = JSON.parse(result.stdout) as CniOutput
      t.is(code, error.code)
      if (typeof error.msg === 'string') t.is(msg, error.msg)
      else t.regex(msg, error.msg)
      if (error.details !== undefined) t.is(details, error.details)
    })
  }
}

test('VERSION needs no stdin, no name and no other variable; every name of the program answers', (t) => {
  for (const type of ['plexus', 'bridge', 'host-local', 'loopback', 'portmap']) {
    const output = command([join(binDirectory, type)], { env: { CNI_COMMAND: 'VERSION' }, timeoutMs: 5000 })
    t.deepEqual((JSON.parse(output) as CniOutput).supportedVersions, versions)
  }
})

test('without CNI_COMMAND the program says what it is, on stderr', (t) => {
  const result = tryCommand([join(binDirectory, 'bridge')], { env: {} })
  t.is(result.status, 0)
  t.is(result.stdout, '')
  t.regex(result.stderr, /^CNI plugin bridge .*\nCNI protocol versions supported: 0\.1\.0, /)
})

test('the launcher resolves links to itself', (t) => {
  const directory = command(['mktemp', '-d']).trim()
  t.teardown(() => command(['rm', '-r', directory]))
  command(['ln', '-s', join(binDirectory, 'plexus'), join(directory, 'one')])
  command(['ln', '-s', 'one', join(directory, 'bridge')])
  t.regex(tryCommand([join(directory, 'bridge')], { env: {}, cwd: '/' }).stderr, /^CNI plugin bridge /)
})

test('whatever comes on stdin, the answer is an error object with a code', async (t) => {
  const seed = 4711
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({
        cniVersion: fc.oneof(fc.constantFrom(...versions), fc.string(), fc.anything()),
        name: fc.oneof(fc.constant('net'), fc.anything()),
        type: fc.constantFrom('plexus', 'bridge'),
        bridge: fc.anything(),
        mtu: fc.anything(),
        ipam: fc.oneof(
          fc.anything(),
          fc.record({
            type: fc.constant('host-local'),
            subnet: fc.anything(),
            ranges: fc.anything(),
            routes: fc.anything(),
          }),
        ),
        runtimeConfig: fc.oneof(
          fc.anything(),
          fc.record({ portMappings: fc.anything(), ips: fc.anything() }),
        ),
        prevResult: fc.anything(),
      })
      .map((value) => JSON.stringify(value) ?? ''),
  )
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.constantFrom('ADD', 'CHECK'),
      fc.constantFrom('plexus', 'bridge', 'host-local', 'loopback', 'portmap'),
      async (stdin, command, type) => {
        // No pod namespace of that name: nothing can be made, whatever the configuration says.
        const isAllocation = type === 'host-local' && command === 'ADD'
        if (isAllocation || (type === 'portmap' && command === 'ADD')) return
        const reply = await dispatch(
          { type, environment: { ...good, CNI_COMMAND: command }, stdin },
          { plugins },
        )
        const { code, msg } = JSON.parse(reply.stdout) as CniOutput
        t.not(reply.exitCode, 0)
        t.true(Number.isInteger(code) && typeof msg === 'string' && msg !== '', reply.stdout)
      },
    ),
    { seed, numRuns: 400 },
  )
})

for (const launcher of launchers) {
  test(`${launcher}: VERSION, no command, a socket key in any place, a large configuration`, async (t) => {
    const node = new Node(t, launcher)
    await node.agent()
    t.deepEqual((await node.run('', { command: 'VERSION' })).json.supportedVersions, versions)
    const about = await node.run('', { command: '' })
    t.is(about.code, 0)
    t.regex(about.stderr, /^CNI plugin plexus /)
    const pod = node.pod()
    const { socket, ...rest } = node.conf({ cniVersion: '1.1.0' })
    const texts = [
      // Nested, in a string, escaped, last, with white space: only the top-level key counts.
      JSON.stringify({ args: { socket: '/wrong' }, note: '"socket": "/wrong", { \\" [', ...rest, socket }),
      JSON.stringify({ list: [{ socket: '/wrong' }], ...rest }).replace(
        /\}$/,
        `,\n "socket" \t:\n "${socket as string}" }`,
      ),
      JSON.stringify({ ...rest, socket }).replace(/\//g, '\\/'),
      JSON.stringify({ ...rest, socket, padding: 'x'.repeat(900_000) }),
      JSON.stringify({ ...rest, socket, padding: 'é'.repeat(700_000) }),
    ]
    for (const [index, text] of texts.entries()) {
      const added = await node.run(text, { command: 'ADD', netns: pod.path })
      t.is(added.code, 0, `${index}: ${added.stdout}`)
      t.is((await node.run(text, { command: 'DEL', netns: pod.path })).code, 0)
    }
    const failed = await node.run('{', { command: 'ADD', netns: pod.path })
    t.is(failed.code, 1)
    t.is(failed.json.code, 6)
    const unset = await node.run(node.conf(), { command: 'ADD' })
    t.is(unset.json.msg, 'required env variables [CNI_NETNS] missing')
  })
}
