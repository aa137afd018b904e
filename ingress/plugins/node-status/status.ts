import { randomUUID } from 'node:crypto'
import type { JsonObject } from '../../objects/index.ts'

export const STATUS_URI = '/apisix/status'

const STATES = ['active', 'accepted', 'handled', 'reading', 'writing', 'waiting']
const id = randomUUID()

/** Connections and requests so far, from the metrics; all of them strings, as APISIX says them. */
export function nodeStatus(exposition: string): JsonObject {
  const value = (series: string) => {
    const line = exposition.split('\n').find((one) => one.startsWith(`${series} `))
    return line?.slice(series.length + 1) ?? '0'
  }
  const connections = STATES.map((state) => [
    state,
    value(`apisix_nginx_http_current_connections{state="${state}"}`),
  ])
  return { id, status: { ...Object.fromEntries(connections), total: value('apisix_http_requests_total') } }
}
