import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { watchFiles } from '../../agent/changed-files.ts'

const settle = () => new Promise((resolve) => setTimeout(resolve, 300))

test('reports content that changed, by write and by rename, and nothing else', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plexus-watch-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'a.yaml')
  writeFileSync(file, 'one')
  const reports: (readonly string[])[] = []
  const watcher = watchFiles([file], (changed) => reports.push(changed))
  t.teardown(() => watcher.close())

  writeFileSync(join(folder, 'other.yaml'), 'x')
  writeFileSync(file, 'one')
  await settle()
  t.deepEqual(reports, [])

  writeFileSync(file, 'two')
  await settle()
  t.deepEqual(reports, [[file]])

  writeFileSync(join(folder, 'new'), 'three')
  renameSync(join(folder, 'new'), file)
  await settle()
  t.deepEqual(reports, [[file], [file]])

  rmSync(file)
  await settle()
  t.is(reports.length, 2)
})
