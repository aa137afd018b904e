/** Prints rows as an aligned table, then the same as one line of JSON (for comparing runs). */
export function printTable(name: string, rows: readonly Readonly<Record<string, string | number>>[]): void {
  const first = rows[0]
  if (first === undefined) return
  const columns = Object.keys(first)
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  console.log(`\n${name}`)
  for (const line of cells) {
    console.log(
      `  ${line.map((cell, index) => cell[index === 0 ? 'padEnd' : 'padStart'](widths[index] ?? 0)).join('  ')}`,
    )
  }
  console.log(`JSON ${JSON.stringify({ name, rows })}`)
}

export function median(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}
