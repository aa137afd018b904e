import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

const settleMs = 50

/**
 * Calls `onChange` with the paths whose content changed. Folders are watched rather than files, so that an editor's
 * rename and a ConfigMap's symlink swap are seen; writes that leave the content as it was are not reported.
 */
export function watchFiles(
  paths: readonly string[],
  onChange: (changed: readonly string[]) => void,
): { close(): void } {
  const contents = new Map(paths.map((path) => [path, contentOf(path)]))
  const watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  const compare = (): void => {
    const changed = paths.filter((path) => {
      const content = contentOf(path)
      // A file that is away for a moment is being replaced; one that stays away changes nothing.
      if (content === undefined || content === contents.get(path)) return false
      contents.set(path, content)
      return true
    })
    if (changed.length > 0) onChange(changed)
  }
  for (const folder of new Set(paths.map(dirname))) {
    const names = new Set(paths.filter((path) => dirname(path) === folder).map((path) => basename(path)))
    watchers.push(
      watch(folder, (_event, name) => {
        if (name !== null && !names.has(name) && name !== '..data') return
        clearTimeout(timer)
        timer = setTimeout(compare, settleMs)
      }),
    )
  }
  return {
    close() {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

/** Undefined where there is no readable file. */
export function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
