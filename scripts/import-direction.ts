// The import rule of the code base (docs/decisions.md): imports point down only, and another folder is entered
// through its index.ts alone, by its "#name".
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

/** For each folder the folders it may import from. */
export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  netlink: [],
  watch: ['netlink'],
  ipam: ['netlink'],
  cni: ['watch', 'ipam', 'netlink'],
  proxy: ['watch', 'netlink'],
  dns: ['watch', 'netlink'],
  // A worker process of the gateway needs two functions of netlink, not the memory that all of it takes.
  ingress: ['watch', 'netlink', 'netlink/shared-memory'],
  lab: ['watch', 'netlink'],
  agent: ['lab', 'cni', 'proxy', 'dns', 'ingress', 'watch', 'ipam', 'netlink'],
}

export interface ImportViolation {
  readonly file: string
  readonly line: number
  readonly message: string
}

const importPattern = /(?:^|\s|\()(?:from|import)\s*\(?\s*'([^']+)'/

function* typescriptFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* typescriptFiles(path)
    else if (entry.name.endsWith('.ts')) yield path
  }
}

/** Checks one file's text; `folder` is its top-level folder, `root` the repository. */
export function checkImports(root: string, folder: string, path: string, text: string): ImportViolation[] {
  const violations: ImportViolation[] = []
  const allowed = allowedImports[folder] ?? []
  for (const [index, line] of text.split('\n').entries()) {
    const specifier = importPattern.exec(line)?.[1]
    if (specifier === undefined || /^\s*(\/\/|\*)/.test(line)) continue
    const report = (message: string): void => {
      violations.push({ file: relative(root, path), line: index + 1, message })
    }
    if (specifier.startsWith('#')) {
      const target = specifier.slice(1)
      if (target === folder) report(`imports its own folder as '${specifier}': use a relative path`)
      else if (!allowed.includes(target))
        report(
          `${folder}/ may not import ${specifier} (allowed: ${allowed.map((name) => `#${name}`).join(' ') || 'none'})`,
        )
    } else if (specifier.startsWith('.')) {
      const target = relative(root, resolve(path, '..', specifier))
      if (!target.startsWith(`${folder}/`))
        report(`'${specifier}' leaves ${folder}/: import the other folder by its #name`)
    }
  }
  return violations
}

/** Checks every source file below `root`. */
export function importViolations(root: string): ImportViolation[] {
  const violations: ImportViolation[] = []
  for (const folder of Object.keys(allowedImports)) {
    for (const path of typescriptFiles(join(root, folder))) {
      violations.push(...checkImports(root, folder, path, readFileSync(path, 'utf8')))
    }
  }
  return violations
}
