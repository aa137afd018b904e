const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** A Go duration ('5s', '1m30s', '300ms', '0') in milliseconds, or undefined. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = /^([+-])?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.exec(text)
  if (match === null) return undefined
  let total = 0
  for (const [, value = '0', unit = 's'] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(value) * (units[unit] ?? 0)
  }
  return match[1] === '-' ? -total : total
}

/** A duration, or a bare number of seconds, in milliseconds. */
export function parseSeconds(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text)
}

/** As Go prints durations: '5m0s', '1h0m0s', '1.5s', '300ms'. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const minutes = Math.floor(ms / 60_000)
  const seconds = `${(ms - minutes * 60_000) / 1000}s`
  if (minutes === 0) return seconds
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}
