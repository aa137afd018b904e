import type { RequestContext } from '../dataplane/context.ts'
import type { Response } from '../http/index.ts'

export interface CompressionConf {
  readonly types: readonly string[] | '*'
  readonly min_length: number
  readonly http_version: number
  readonly vary?: boolean
}

/** The fields of CompressionConf in a plugin's schema. */
export const compressionProperties = {
  types: {
    anyOf: [
      { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
      { type: 'string', enum: ['*'] },
    ],
    default: ['text/html'],
  },
  min_length: { type: 'integer', minimum: 1, default: 20 },
  http_version: { enum: [1.1, 1], default: 1.1 },
  vary: { type: 'boolean' },
} as const

/** Whether the client takes a content coding (RFC 9110 §12.5.3). */
export function accepts(header: string | undefined, coding: string): boolean {
  return (header ?? '').split(',').some((part) => {
    const [name = '', ...parameters] = part.split(';').map((one) => one.trim().toLowerCase())
    return (name === coding || name === '*') && !parameters.some((one) => /^q=0(?:\.0*)?$/.test(one))
  })
}

/** Decides whether an answer is to be compressed, and marks it so. */
export function beginCompression(
  conf: CompressionConf,
  coding: 'gzip' | 'br',
  context: RequestContext,
  response: Response,
): boolean {
  const { headers, length, status } = response
  const type = (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (conf.types !== '*' && !conf.types.includes(type)) return false
  if (conf.vary === true && !/\baccept-encoding\b/i.test(headers.get('vary') ?? ''))
    headers.add('Vary', 'Accept-Encoding')
  const { request } = context.exchange
  if (status < 200 || status === 204 || status === 206 || status === 304) return false
  if (length !== -1 && length < conf.min_length) return false
  if (request.method === 'HEAD' || request.minor < (conf.http_version === 1 ? 0 : 1)) return false
  if (headers.has('content-encoding') || !accepts(context.exchange.headers.get('accept-encoding'), coding))
    return false
  if (/\bno-transform\b/i.test(headers.get('cache-control') ?? '')) return false
  headers.set('Content-Encoding', coding)
  headers.remove('Accept-Ranges')
  const etag = headers.get('etag')
  // RFC 9110 §8.8.1: other bytes, so no strong validator any more; and none at all of what cannot be made a weak one.
  if (etag !== undefined && !/^(?:W\/)?"[^"]*"$/.test(etag)) headers.remove('ETag')
  else if (etag?.startsWith('"') === true) headers.set('ETag', `W/${etag}`)
  return true
}
