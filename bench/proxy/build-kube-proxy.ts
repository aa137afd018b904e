import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Built {
  readonly binary: string
  remove(): void
}

/** kube-proxy, built from ./kube-proxy as an ordinary Go module; undefined (with a line that says why) where that cannot be. */
export function buildKubeProxy(): Built | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'plexus-kube-proxy-'))
  const binary = join(folder, 'kube-proxy')
  const built = spawnSync('go', ['build', '-o', binary, '.'], {
    cwd: join(import.meta.dirname, 'kube-proxy'),
    encoding: 'utf8',
  })
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  if (built.status === 0 && existsSync(binary)) return { binary, remove }
  remove()
  const why = built.error === undefined ? built.stderr.trim().split('\n').at(-1) : 'Go is not installed'
  console.log(`bench: kube-proxy itself is left out: ${why}`)
  return undefined
}
