import type { RequestContext } from '../../dataplane/context.ts'
import { call } from '../http-call.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly host: string
  readonly path?: string
  readonly path_concat_mode: 'replace' | 'prefix'
  readonly sample_ratio: number
}

const BODY_LIMIT = 1024 * 1024
const TIMEOUT_MS = 10_000
const RUNNING = 256
const SKIPPED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'expect',
  'te',
  'trailer',
])

function targetOf(own: Conf, context: RequestContext): string {
  const target = context.upstreamTarget
  if (own.path === undefined) return target
  if (own.path_concat_mode === 'prefix') return own.path + target
  const mark = target.indexOf('?')
  return mark === -1 ? own.path : own.path + target.slice(mark)
}

/** Sends a copy of requests to another server and forgets what it answers. */
export const proxyMirror: Plugin = {
  name: 'proxy-mirror',
  priority: 1010,
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string', pattern: '^https?://([0-9a-zA-Z._-]+|\\[[0-9a-fA-F:]+\\])(:[0-9]{1,5})?$' },
      path: { type: 'string', pattern: '^/[^?&]+$' },
      path_concat_mode: { type: 'string', enum: ['replace', 'prefix'], default: 'replace' },
      sample_ratio: { type: 'number', minimum: 0.00001, maximum: 1, default: 1 },
    },
    required: ['host'],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    let running = 0
    const send = (context: RequestContext, body: Buffer | undefined) => {
      const arrived = Object.entries(context.exchange.headers.entries())
      const headers = Object.fromEntries(arrived.filter(([name]) => !SKIPPED.has(name)))
      const url = own.host + targetOf(own, context)
      running++
      call({ url, method: context.upstreamMethod, headers, body, timeoutMs: TIMEOUT_MS, verify: false })
        // Whatever becomes of the copy is nobody's business.
        .catch(() => {})
        .finally(() => {
          running--
        })
    }
    return {
      beforeProxy(context) {
        const { exchange } = context
        if (running >= RUNNING || (own.sample_ratio < 1 && Math.random() >= own.sample_ratio))
          return undefined
        if (exchange.body.done || exchange.collected !== undefined) {
          send(context, exchange.collected)
          return undefined
        }
        // A body is copied only if it is known to be short: the request itself must not wait for a long one.
        if (exchange.body.kind !== 'length' || exchange.framing.length > BODY_LIMIT) return undefined
        return exchange.collectBody(BODY_LIMIT).then((body) => {
          send(context, body)
          return undefined
        })
      },
    }
  },
}
