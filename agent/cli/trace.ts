import { formatTable } from './table.ts'

/** The agent's answer to a trace, as far as it is shown. */
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
  readonly ways: readonly Readonly<Record<string, string>>[]
}

/** A trace as text: what, the rules, the endpoints, the ways to them, the verdict last. */
export function formatTrace(trace: TraceAnswer): string {
  const lines = [`from      ${trace.from}`, `to        ${trace.to} ${trace.protocol}`]
  if (trace.resolution !== '') lines.push(`          ${trace.resolution}`)
  if (trace.service !== '') lines.push(`service   ${trace.service}`)
  if (trace.steps.length > 0) lines.push('', formatTable(trace.steps))
  if (trace.endpoints.length > 0) lines.push('', formatTable(trace.endpoints))
  if (trace.ways.length > 0) lines.push('', formatTable(trace.ways))
  lines.push('', `outcome   ${trace.summary}`)
  if (trace.outcome === 'translated') lines.push(`          masqueraded: ${trace.masqueraded}`)
  return lines.join('\n')
}

/** The gateway's answer to a trace. */
export interface RequestTraceAnswer {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly steps: Record<string, unknown>[]
  readonly plugins: readonly string[]
  readonly nodes: readonly string[]
  readonly summary: string
}

/** A trace of a request as text: the routes that were tried, the plugins it would meet, the verdict last. */
export function formatRequestTrace(trace: RequestTraceAnswer): string {
  const lines = [`request   ${trace.method} ${trace.host}${trace.path}`]
  if (trace.steps.length > 0) lines.push('', formatTable(trace.steps), '')
  if (trace.plugins.length > 0) lines.push(`plugins   ${trace.plugins.join(', ')}`)
  if (trace.nodes.length > 0) lines.push(`servers   ${trace.nodes.join(', ')}`)
  lines.push(`outcome   ${trace.summary}`)
  return lines.join('\n')
}
