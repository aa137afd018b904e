import type { Field } from './field.ts'

const unitSeconds: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
}

/** Seconds of a Go duration such as `1m30s` or `500ms`; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let seconds = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(amount) * (unitSeconds[unit ?? ''] ?? 0)
  }
  return seconds
}

/** Reads a Go duration as seconds; undefined when missing. A plain number is taken as seconds. */
export function durationIn(field: Field): number | undefined {
  if (field.missing || field.value === '') return undefined
  if (typeof field.value === 'number' && field.value >= 0) return field.value
  const seconds = typeof field.value === 'string' ? parseDuration(field.value) : undefined
  if (seconds === undefined) field.expected('a duration such as 60s or 1m30s')
  return seconds
}
