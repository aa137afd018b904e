import { nodeStatus, STATUS_URI } from '../node-status/status.ts'
import type { Plugin } from '../plugin.ts'
import { WOLF_API, wolfApi } from '../wolf-rbac/user-api.ts'

/** Publishes what plugins answer internally (the metrics, the status) on a route. */
export const publicApi: Plugin = {
  name: 'public-api',
  priority: 501,
  schema: { type: 'object', properties: { uri: { type: 'string' } } },
  compile(conf, environment) {
    const { metrics, exposition } = environment
    return {
      async access(context) {
        const uri = conf.uri === undefined ? context.path : String(conf.uri)
        if (uri === '/apisix/prometheus/metrics')
          return {
            status: 200,
            body: await exposition(),
            headers: { 'Content-Type': metrics.contentType },
          }
        if (uri === STATUS_URI) return { status: 200, body: nodeStatus(await exposition()) }
        if (uri.startsWith(WOLF_API)) return wolfApi(uri, context, environment)
        return { status: 404 }
      },
    }
  },
}
