import type { Plugin } from '../plugin.ts'

/** Publishes what plugins answer internally (the metrics, the status) on a route. */
export const publicApi: Plugin = {
  name: 'public-api',
  priority: 501,
  schema: { type: 'object', properties: { uri: { type: 'string' } } },
  compile(conf, environment) {
    const { metrics } = environment
    return {
      async access(context) {
        const uri = conf.uri === undefined ? context.path : String(conf.uri)
        if (uri === '/apisix/prometheus/metrics')
          return {
            status: 200,
            body: await metrics.metrics(),
            headers: { 'Content-Type': metrics.contentType },
          }
        if (uri === '/apisix/status') return { status: 200, body: { status: 'ok' } }
        return { status: 404 }
      },
    }
  },
}
