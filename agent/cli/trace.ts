import { formatTable } from './table.ts'

/** The proxy's answer to a trace, as far as it is shown. */
export interface TraceAnswer {
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly resolution: string
  readonly service: string
  readonly outcome: string
  readonly summary: string
  readonly masqueraded: string
  readonly steps: readonly Readonly<Record<string, string>>[]
  readonly endpoints: readonly Readonly<Record<string, string | boolean>>[]
}

/** A trace as text: what, the rules, the endpoints, the verdict last. */
export function formatTrace(trace: TraceAnswer): string {
  const lines = [`from      ${trace.from}`, `to        ${trace.to} ${trace.protocol}`]
  if (trace.resolution !== '') lines.push(`          ${trace.resolution}`)
  if (trace.service !== '') lines.push(`service   ${trace.service}`)
  if (trace.steps.length > 0) lines.push('', formatTable(trace.steps))
  if (trace.endpoints.length > 0) lines.push('', formatTable(trace.endpoints))
  lines.push('', `outcome   ${trace.summary}`)
  if (trace.outcome === 'translated') lines.push(`          masqueraded: ${trace.masqueraded}`)
  return lines.join('\n')
}
