import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './namespace.ts'

/** A directory of the test's own, removed when the test ends. */
export function testDirectory(t: Teardown, name = 'plexus'): string {
  const path = mkdtempSync(join(tmpdir(), `plxt-${process.pid}-${name}-`))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}
