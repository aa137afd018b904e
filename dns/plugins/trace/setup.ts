import {
  directiveError,
  duration,
  expectArgs,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { Reporter } from './reporter.ts'
import { TracePlugin } from './trace.ts'

const name = 'trace'
const maxSize = 10_000_000

export const trace: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const args = expectArgs(directive, name, { min: 0, max: 2 })
    const [first] = args
    const named = first?.text === 'zipkin' || first?.text === 'datadog'
    const kind = first?.text === 'datadog' ? 'datadog' : 'zipkin'
    if (args.length === 2 && !named)
      throw directiveError(first ?? directive, name, `'${first?.text}' must be zipkin or datadog`)
    const endpoint =
      (named ? args[1]?.text : first?.text) ?? (kind === 'zipkin' ? 'localhost:9411' : 'localhost:8126')
    const state = {
      every: 1,
      service: 'coredns',
      analyticsRate: 0,
      maxBacklog: 1000,
      maxBatch: 100,
      intervalMs: 1000,
    }
    const size = (line: Directive): number => integer(oneArg(line, name), name, { min: 1, max: maxSize })
    readProperties(directive, name, {
      every: (line) => {
        state.every = integer(oneArg(line, name), name, { min: 1, max: 1_000_000_000 })
      },
      service: (line) => {
        state.service = oneArg(line, name).text
      },
      // Our spans always have the ids of both sides.
      client_server: (line) => void expectArgs(line, name, { min: 0, max: 1 }),
      datadog_analytics_rate: (line) => {
        const rate = oneArg(line, name)
        state.analyticsRate = Number(rate.text)
        if (!(state.analyticsRate >= 0 && state.analyticsRate <= 1))
          throw directiveError(rate, name, `'${rate.text}' must be a number from 0 to 1`)
      },
      zipkin_max_backlog_size: (line) => {
        state.maxBacklog = size(line)
      },
      zipkin_max_batch_size: (line) => {
        state.maxBatch = size(line)
      },
      zipkin_max_batch_interval: (line) => {
        state.intervalMs = Math.max(1, duration(oneArg(line, name), name))
      },
    })
    const whole = endpoint.startsWith('http')
    const path = kind === 'zipkin' ? '/api/v2/spans' : '/v0.4/traces'
    const url = whole ? endpoint : `http://${endpoint}${path}`
    if (!URL.canParse(url)) throw directiveError(directive, name, `'${endpoint}' is no endpoint`)
    const { every, service, ...batches } = state
    return new TracePlugin({ every, service }, new Reporter({ kind, url, log: c.log, ...batches }))
  },
}
