import type { Block, Directive } from '../corefile/tree.ts'
import { CorefileError } from '../errors.ts'
import { pluginOrder } from '../plugin-order.ts'

const known = new Map(pluginOrder.map((entry) => [entry.name, entry]))

/** Finds directives that are no plugin, or one that Plexus does not have. Throws CorefileError. */
export function checkDirectives(block: Block): void {
  for (const directive of block.directives) checkDirective(directive)
}

function checkDirective(directive: Directive): void {
  const entry = known.get(directive.name)
  if (entry === undefined) {
    const near = nearest(directive.name, [...known.keys()])
    const hint = near === undefined ? '' : `; did you mean '${near}'?`
    throw new CorefileError('DNS_PLUGIN_UNKNOWN', directive, `unknown directive '${directive.name}'${hint}`)
  }
  if ('absent' in entry) {
    throw new CorefileError(
      'DNS_PLUGIN_PLANNED',
      directive,
      `'${directive.name}' is a CoreDNS plugin that Plexus does not have: ${entry.absent}`,
    )
  }
}

/** The known word at edit distance 1 or 2, for hints. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: { word: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate)
    if (distance <= 2 && (best === undefined || distance < best.distance))
      best = { word: candidate, distance }
  }
  return best?.word
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i += 1) {
    rows.push([i])
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, at(i - 2, j - 2) + 1)
      rows[i]?.push(best)
    }
  }
  return at(a.length, b.length)
}
