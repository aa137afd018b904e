import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
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
