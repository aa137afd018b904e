import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { watchFiles } from '../../agent/changed-files.ts'
import { testDirectory, waitUntil } from '../support/index.ts'

test('reports content that changed, by write and by rename, and nothing else', async (t) => {
  const folder = testDirectory(t, 'watch')
  const file = join(folder, 'a.yaml')
  const other = join(folder, 'b.yaml')
  writeFileSync(file, 'one')
  writeFileSync(other, 'one')
  const reports: string[] = []
  const watcher = watchFiles([file, other], (changed) => reports.push(...changed))
  t.teardown(() => watcher.close())
  // The folder's changes come in their order: once `other` was reported, what was done before would have been.
  let content = 1
  const reported = async (): Promise<string[]> => {
    writeFileSync(other, String((content += 1)))
    await waitUntil(() => reports.includes(other))
    return reports.splice(0).filter((path) => path !== other)
  }

  writeFileSync(join(folder, 'other.yaml'), 'x')
  writeFileSync(file, 'one')
  t.deepEqual(await reported(), [])

  writeFileSync(file, 'two')
  t.deepEqual(await reported(), [file])

  writeFileSync(join(folder, 'new'), 'three')
  renameSync(join(folder, 'new'), file)
  t.deepEqual(await reported(), [file])

  rmSync(file)
  t.deepEqual(await reported(), [])
})
