/** Rows as an aligned text table, as kubectl prints them; the first row's keys are the columns. */
export function formatTable(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const first = rows[0]
  if (first === undefined) return 'nothing'
  const columns = Object.keys(first)
  const lines = [
    columns.map((column) => column.toUpperCase()),
    ...rows.map((row) => columns.map((key) => cell(row[key]))),
  ]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((value, index) => value.padEnd(widths[index] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}

function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(',')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
