import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { versionReply } from '../../cni/protocol/version.ts'
import { command } from '../support/command.ts'
import { testDirectory } from '../support/directory.ts'

const compiler = '/usr/bin/aarch64-linux-gnu-gcc'
const emulator = '/usr/bin/qemu-aarch64-static'
const missing = [compiler, emulator].filter((path) => !existsSync(path))
if (missing.length > 0) {
  console.error(
    `arm64 shim test skipped: ${missing.join(', ')} missing (gcc-aarch64-linux-gnu, qemu-user-static)`,
  )
}
const whenThere = missing.length === 0 ? test : test.skip

whenThere('the shim compiles for arm64 and answers VERSION', (t) => {
  const root = join(import.meta.dirname, '..', '..')
  const output = join(testDirectory(t, 'arm64'), 'dist', 'cni', 'shim')
  command(['sh', join(root, 'cni', 'shim', 'build'), output], {
    env: { PATH: process.env['PATH'], CC: compiler },
  })
  const run = (env: Record<string, string>, input: string) => command([emulator, output], { env, input })
  t.is(run({ CNI_COMMAND: 'VERSION' }, ''), versionReply())
})
