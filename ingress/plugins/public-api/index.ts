import { nodeStatus, STATUS_URI } from '../node-status/status.ts'
import type { Plugin } from '../plugin.ts'
import { WOLF_API, wolfApi } from '../wolf-rbac/user-api.ts'

/** Publishes what plugins answer internally (the metrics, the status) on a route. */
export const publicApi: Plugin = {
  name: 'public-api',
  priority: 501,
  attributesOf: 'prometheus',
  schema: { type: 'object', properties: { uri: { type: 'string' } } },
  compile(conf, environment) {
    const { metrics, exposition, attributes } = environment
    const metricsUri = String(attributes.export_uri ?? '/apisix/prometheus/metrics')
    return {
      async access(context) {
        const uri = conf.uri === undefined ? context.path : String(conf.uri)
        if (uri.startsWith(WOLF_API)) return wolfApi(uri, context, environment)
        if (context.method !== 'GET') return { status: 404 }
        if (uri === metricsUri)
          return {
            status: 200,
            body: await exposition(),
            headers: { 'Content-Type': metrics.contentType },
          }
        if (uri === STATUS_URI) return { status: 200, body: nodeStatus(await exposition()) }
        return { status: 404 }
      },
    }
  },
}
