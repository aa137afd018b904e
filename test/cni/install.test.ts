import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { defaultConflist, installCni } from '#cni'
import { command } from '../support/command.ts'
import { testDirectory } from '../support/directory.ts'

test('links and configuration are put in place, again and again, and leave nothing else', (t) => {
  const directory = testDirectory(t, 'install')
  const binDir = join(directory, 'bin')
  const confDir = join(directory, 'net.d')
  for (let i = 0; i < 2; i += 1) {
    const { files } = installCni({ binDir, confDir, types: ['plexus', 'portmap'] })
    t.deepEqual(files, [join(binDir, 'plexus'), join(binDir, 'portmap'), join(confDir, '10-plexus.conflist')])
  }
  t.deepEqual(readdirSync(binDir).sort(), ['plexus', 'portmap'])
  t.deepEqual(readdirSync(confDir), ['10-plexus.conflist'])
  t.true(lstatSync(join(binDir, 'portmap')).isSymbolicLink())
  t.deepEqual(JSON.parse(readFileSync(join(confDir, '10-plexus.conflist'), 'utf8')), defaultConflist())
  t.regex(command([join(binDir, 'portmap')], { env: { CNI_COMMAND: 'VERSION' } }), /supportedVersions/)
})

test('a plugin file of another program is replaced, an unknown type is refused before anything', (t) => {
  const binDir = testDirectory(t, 'install')
  writeFileSync(join(binDir, 'bridge'), 'old')
  t.throws(() => installCni({ binDir, types: ['bridge', 'nosuch'] }), { message: /no plugin type "nosuch"/ })
  t.is(readFileSync(join(binDir, 'bridge'), 'utf8'), 'old')
  installCni({ binDir, types: ['bridge'] })
  t.true(existsSync(readlinkSync(join(binDir, 'bridge'))))
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
