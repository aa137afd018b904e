import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { defaultConflist, installCni } from '#cni'
import { decodeRequest, encodeReply } from '../../cni/handover/frame.ts'
import { command } from '../support/command.ts'
import { testDirectory } from '../support/directory.ts'
import { sleep } from '../support/wait.ts'
import * as runtime from './runtime.ts'

const withShim = runtime.shim === undefined ? test.skip : test

test('links and configuration are put in place, again and again, and leave nothing else', (t) => {
  const directory = testDirectory(t, 'install')
  const binDir = join(directory, 'bin')
  const confDir = join(directory, 'net.d')
  for (let i = 0; i < 2; i += 1) {
    const { files } = installCni({ binDir, confDir, types: ['plexus', 'portmap'] })
    t.deepEqual(files, [join(binDir, 'plexus'), join(binDir, 'portmap'), join(confDir, '10-plexus.conflist')])
  }
  const { shim } = runtime
  t.deepEqual(readdirSync(binDir).sort(), [
    ...(shim === undefined ? [] : ['.plexus-launcher']),
    'plexus',
    'portmap',
  ])
  t.deepEqual(readdirSync(confDir), ['10-plexus.conflist'])
  t.is(lstatSync(join(binDir, 'portmap')).isSymbolicLink(), shim === undefined)
  t.is(statSync(join(binDir, 'portmap')).mode & 0o777, 0o755)
  t.deepEqual(JSON.parse(readFileSync(join(confDir, '10-plexus.conflist'), 'utf8')), defaultConflist())
  t.regex(command([join(binDir, 'portmap')], { env: { CNI_COMMAND: 'VERSION' } }), /supportedVersions/)
})

test('a plugin file of another program is replaced, an unknown type is refused before anything', (t) => {
  const binDir = testDirectory(t, 'install')
  writeFileSync(join(binDir, 'bridge'), 'old')
  t.throws(() => installCni({ binDir, types: ['bridge', 'nosuch'] }), { message: /no plugin type "nosuch"/ })
  t.is(readFileSync(join(binDir, 'bridge'), 'utf8'), 'old')
  installCni({ binDir, types: ['bridge'] })
  t.not(readFileSync(join(binDir, 'bridge'), 'utf8'), 'old')
})

test('without a shim the names are links to the launcher', (t) => {
  const binDir = testDirectory(t, 'install')
  const launcher = join(runtime.binDirectory, 'plexus')
  installCni({ binDir, types: ['bridge'], launcher })
  t.is(readlinkSync(join(binDir, 'bridge')), launcher)
  t.regex(command([join(binDir, 'bridge')], { env: { CNI_COMMAND: 'VERSION' } }), /supportedVersions/)
})

test('the default configuration is the documented one', (t) => {
  t.like(defaultConflist('/x.sock'), {
    name: 'plexus',
    plugins: [{ type: 'plexus', socket: '/x.sock', bridge: 'cni0' }],
  })
})

test('the launcher does not use a shim that is older than its source', (t) => {
  const root = testDirectory(t, 'launcher')
  for (const folder of ['bin/cni', 'dist/cni', 'cni/shim', 'scripts']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  copyFileSync(join(import.meta.dirname, '../../bin/cni/plexus'), join(root, 'bin/cni/plexus'))
  const script = (path: string, text: string) =>
    writeFileSync(join(root, path), `#!/bin/sh\necho ${text}\n`, { mode: 0o755 })
  script('dist/cni/shim', 'shim')
  script('scripts/with-node', 'node')
  writeFileSync(join(root, 'cni/shim/shim.c'), '')
  const run = () => command([join(root, 'bin/cni/plexus')], { env: {} }).trim()
  utimesSync(join(root, 'cni/shim/shim.c'), 1000, 1000)
  t.is(run(), 'shim')
  utimesSync(join(root, 'dist/cni/shim'), 500, 500)
  t.is(run(), 'node')
})

withShim('an installed plugin does the work through its launcher when there is no agent', async (t) => {
  const node = new runtime.Node(t)
  const binDir = join(node.directory, 'bin')
  installCni({ binDir, types: ['plexus', 'host-local'] })
  const pod = node.pod()
  const conf = node.conf({ isGateway: true })
  const added = await node.run(conf, { command: 'ADD', netns: pod.path }, binDir)
  t.is(added.code, 0, added.stdout)
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path }, binDir)).code, 0)
  t.deepEqual(node.leases(), [])
})

withShim(
  'an installed plugin without a launcher waits for its agent to come back, then says so',
  async (t) => {
    const node = new runtime.Node(t)
    const binDir = join(node.directory, 'bin')
    installCni({ binDir })
    rmSync(join(binDir, '.plexus-launcher'))
    const commands: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => {})
      const chunks: Buffer[] = []
      socket.on('data', (chunk) => {
        chunks.push(Buffer.from(chunk))
        const request = decodeRequest(Buffer.concat(chunks))
        if (request === undefined) return
        commands.push(request.environment['CNI_COMMAND'] ?? '')
        // The first one dies with the request in its hands.
        if (commands.length === 1) socket.destroy()
        else socket.end(encodeReply({ exitCode: 0, stdout: '{"code":0}', stderr: '' }))
      })
    })
    t.teardown(() => void server.close())
    const pod = node.pod()
    const calling = node.run(node.conf(), { command: 'ADD', netns: pod.path }, binDir)
    await sleep(300)
    mkdirSync(join(node.directory, 'run'))
    await new Promise<void>((resolve) => server.listen(node.socket, resolve))
    const added = await calling
    t.is(added.code, 0, added.stdout)
    t.is(added.stdout, '{"code":0}')
    t.deepEqual(commands, ['ADD', 'DEL', 'ADD'])
    const elsewhere = { ...node.conf(), socket: join(node.directory, 'none.sock') }
    const alone = await node.run(elsewhere, { command: 'DEL', netns: pod.path }, binDir)
    t.is(alone.json.code, 11)
    t.regex(alone.json.msg ?? '', /agent does not answer/)
  },
)
