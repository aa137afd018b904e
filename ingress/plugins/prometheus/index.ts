import { performance } from 'node:perf_hooks'
import type { CompiledRoute } from '../../dataplane/compiled-route.ts'
import type { RequestContext } from '../../dataplane/context.ts'
import type { Plugin } from '../plugin.ts'
import { extraLabels, METADATA } from './labels.ts'
import { sourceOf, TrafficMetrics, type TrafficSeries } from './metrics.ts'

/** Series remembered per route, so that a request finds its own by one short key. */
const REMEMBERED = 1000

interface Matched {
  readonly uri: string
  readonly host: string
  /** The route has no other. */
  readonly only: boolean
}

const NOWHERE: Matched = { uri: '', host: '', only: true }

/** Which of a route's URIs and hosts a request met. */
function matchedBy({ match: { uris, hosts } }: CompiledRoute, context: RequestContext): Matched {
  const [uri = ''] = uris
  const [host = ''] = hosts
  if (uris.length < 2 && hosts.length < 2) return { uri, host, only: true }
  const { matchPath: path } = context
  const fits = (pattern: string, text: string, side: 'startsWith' | 'endsWith') =>
    pattern === text || (pattern.includes('*') && text[side](pattern.replace('*', '')))
  return {
    uri: uris.find((one) => fits(one, path, 'startsWith')) ?? uri,
    host: hosts.find((one) => fits(one, context.host, 'endsWith')) ?? host,
    only: false,
  }
}

/** Its own settings are the ones that count then, not a global rule's. */
function countsItself(route: CompiledRoute | undefined): boolean {
  const conf = route?.plugins.prometheus as { readonly _meta?: { readonly disable?: boolean } } | undefined
  return conf !== undefined && conf._meta?.disable !== true
}

/** Counts the requests of a route under apisix_* names. */
export const prometheus: Plugin = {
  name: 'prometheus',
  priority: 500,
  schema: { type: 'object', properties: { prefer_name: { type: 'boolean', default: false } } },
  metadataSchema: METADATA,
  compile(conf, environment) {
    const extras = extraLabels(environment.attributes)
    const metrics = TrafficMetrics.of(environment, extras)
    const preferName = conf.prefer_name === true
    const named = (id: string | number | undefined, name: string | undefined) =>
      String((preferName ? (name ?? id) : id) ?? '')
    const isGlobal = environment.owner === 'global_rules'
    const noRoute = {}
    const remembered = new WeakMap<object, Map<string, TrafficSeries>>()

    const seriesOf = (context: RequestContext): TrafficSeries => {
      const { route, consumer, upstreamAddr } = context
      let known = remembered.get(route ?? noRoute)
      if (known === undefined) {
        known = new Map()
        remembered.set(route ?? noRoute, known)
      }
      const extra = extras.map(({ read }) => read(context))
      const matched = route === undefined ? NOWHERE : matchedBy(route, context)
      const who = consumer === undefined ? upstreamAddr : `${upstreamAddr} ${consumer.username}`
      const where = matched.only ? who : `${who} ${matched.uri} ${matched.host}`
      const key = extra.length === 0 ? where : `${where} ${extra.join(' ')}`
      let series = known.get(key)
      if (series === undefined) {
        series = metrics.series({
          route: named(route?.id, route?.route.name),
          service: named(context.service?.id, context.service?.name),
          consumer: consumer?.username ?? '',
          node: upstreamAddr.slice(0, Math.max(0, upstreamAddr.lastIndexOf(':'))),
          matched_uri: matched.uri,
          matched_host: matched.host,
          extra,
        })
        if (known.size >= REMEMBERED) known.clear()
        known.set(key, series)
      }
      return series
    }
    return {
      log(context) {
        if (isGlobal && countsItself(context.route)) return
        const { exchange } = context
        const series = seriesOf(context)
        series.countStatus(exchange.status, sourceOf(context))
        const total = performance.now() - exchange.startedAt
        series.request.observe(total)
        if (context.upstreamStartedAt > 0) series.upstream.observe(context.upstreamMs)
        series.apisix.observe(Math.max(0, total - context.upstreamMs))
        series.egress += exchange.writer.bytes
        series.ingress += exchange.bytesReceived
      },
    }
  },
}
