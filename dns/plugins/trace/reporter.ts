import type { Logger } from 'pino'

export interface Span {
  /** hexadecimal digits */
  readonly traceId: string
  readonly id: string
  readonly parentId?: string | undefined
  /** none for what happens inside */
  readonly kind?: 'SERVER' | 'CLIENT' | undefined
  readonly name: string
  readonly service: string
  /** ms since 1970 */
  readonly beganAt: number
  readonly tookMs: number
  readonly remote?: { readonly address: string; readonly port: number } | undefined
  readonly tags: Readonly<Record<string, string>>
}

export interface ReporterOptions {
  readonly kind: 'zipkin' | 'datadog'
  readonly url: string
  readonly maxBacklog: number
  readonly maxBatch: number
  readonly intervalMs: number
  /** datadog: share of spans for its trace analytics */
  readonly analyticsRate: number
  readonly log: Logger
}

const timeoutMs = 5000

/** Sends spans in batches over HTTP. What cannot be sent waits, up to a limit; then the oldest go. */
export class Reporter {
  readonly #options: ReporterOptions
  #spans: Span[] = []
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #failed = false

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#send(), this.#options.intervalMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sending
    this.#send()
    await this.#sending
  }

  report(span: Span): void {
    this.#spans.push(span)
    if (this.#spans.length > this.#options.maxBacklog) this.#spans.shift()
    if (this.#spans.length >= this.#options.maxBatch) this.#send()
  }

  #send(): void {
    if (this.#sending !== undefined || this.#spans.length === 0) return
    const batch = this.#spans.splice(0, this.#options.maxBatch)
    this.#sending = this.#post(batch).then((ok) => {
      this.#sending = undefined
      if (ok) return
      this.#spans = [...batch, ...this.#spans].slice(-this.#options.maxBacklog)
    })
  }

  async #post(batch: readonly Span[]): Promise<boolean> {
    const { kind, url, log, analyticsRate } = this.#options
    try {
      const response = await fetch(url, {
        method: kind === 'zipkin' ? 'POST' : 'PUT',
        headers: { 'content-type': 'application/json' },
        body: kind === 'zipkin' ? zipkinBody(batch) : datadogBody(batch, analyticsRate),
        signal: AbortSignal.timeout(timeoutMs),
      })
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`it answers with status ${response.status}`)
      this.#failed = false
      return true
    } catch (error) {
      if (!this.#failed) log.warn({ object: url, err: error }, 'traces cannot be sent')
      this.#failed = true
      return false
    }
  }
}

/** Zipkin's API, version 2. */
function zipkinBody(batch: readonly Span[]): string {
  return JSON.stringify(
    batch.map(({ traceId, id, parentId, kind, name, service, beganAt, tookMs, remote, tags }) => ({
      traceId,
      id,
      parentId,
      kind,
      name,
      timestamp: Math.round(beganAt * 1000),
      duration: Math.max(1, Math.round(tookMs * 1000)),
      localEndpoint: { serviceName: service },
      remoteEndpoint:
        remote === undefined
          ? undefined
          : {
              [remote.address.includes(':') ? 'ipv6' : 'ipv4']: remote.address.replace(/%.*$/, ''),
              port: remote.port,
            },
      tags,
    })),
  )
}

/** The Datadog agent's /v0.4/traces: a list of traces; ids are numbers of 63 bits. */
function datadogBody(batch: readonly Span[], analyticsRate: number): string {
  const traces = new Map<string, string[]>()
  for (const { traceId, id, parentId, name, service, beganAt, tookMs, tags } of batch) {
    const number = (hex: string): string => (BigInt(`0x${hex.slice(-16)}`) >> 1n).toString()
    const { error, ...meta } = tags
    const span = JSON.stringify({
      name: name.split(' ')[0],
      service,
      resource: name,
      type: 'dns',
      error: error === undefined ? 0 : 1,
      meta: error === undefined ? meta : { ...meta, 'error.msg': error },
      metrics: analyticsRate > 0 ? { '_dd1.sr.eausr': analyticsRate } : {},
      duration: Math.round(tookMs * 1e6),
    })
    // JSON.stringify has no numbers of this size.
    const big = `"trace_id":${number(traceId)},"span_id":${number(id)},"parent_id":${parentId === undefined ? 0 : number(parentId)},"start":${BigInt(Math.round(beganAt * 1000)) * 1000n}`
    traces.set(traceId, [...(traces.get(traceId) ?? []), `{${big},${span.slice(1)}`])
  }
  return `[${[...traces.values()].map((spans) => `[${spans.join(',')}]`).join(',')}]`
}
