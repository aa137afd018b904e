import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { AdminConfig, AdminKey } from '../config/gateway-config.ts'
import { errorPage } from '../http/index.ts'
import type { CheckContext } from '../objects/check.ts'
import { isObject } from '../objects/index.ts'
import { AddressSet } from '../route/index.ts'
import { isAdmin, refusal } from './access.ts'
import { type AdminAnswer, failure, Refused } from './answers.ts'
import { registerConfigs } from './configs-routes.ts'
import { parseBody } from './json-body.ts'
import type { ObjectStorage } from './object-storage.ts'
import { parsePath } from './paths.ts'
import { missingId, Resources, UNSUPPORTED, WORDS } from './resources.ts'
import { registerSchemaRoutes } from './schema-routes.ts'

const PREFIX = '/apisix/admin'
const BODY_LIMIT = 1_572_864
/** What is too large is read up to here nevertheless: whoever is still sending does not see an answer. */
const READ_LIMIT = 16 * BODY_LIMIT

export interface AdminOptions extends CheckContext {
  readonly config: Pick<AdminConfig, 'allow' | 'cors' | 'keyRequired'>
  readonly keys: readonly AdminKey[]
  /** Whether the stream proxy has ports. */
  readonly streams: boolean
  readonly storage: ObjectStorage
  readonly log: Logger
  /** Resolves once every worker process uses what was written: an answer says that it is in effect. */
  readonly settled?: (() => Promise<void>) | undefined
}

/** The Admin API v3 under /apisix/admin. */
export function adminApi(options: AdminOptions): FastifyInstance {
  const { config, keys, log } = options
  const allowed = config.allow.length === 0 ? undefined : new AddressSet(config.allow)
  const app = fastify({
    bodyLimit: READ_LIMIT,
    exposeHeadRoutes: false,
    routerOptions: { ignoreDuplicateSlashes: true },
  })
  // curl -d sends its form type: the body is JSON whatever it is called.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => {
    if (text === '') {
      done(null, undefined)
      return
    }
    const size = Buffer.byteLength(text)
    if (size > BODY_LIMIT) {
      done(new Refused(tooLarge(size)))
      return
    }
    try {
      done(null, parseBody(String(text)))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      done(
        new Refused({
          status: 400,
          body: { error_msg: `invalid request body: ${why}`, req_body: String(text) },
        }),
      )
    }
  })
  app.addHook('onRequest', async (request, reply) => {
    if (config.cors) {
      reply.header('Access-Control-Allow-Origin', '*').header('Access-Control-Allow-Credentials', 'true')
    }
    const address = request.ip.startsWith('::ffff:') ? request.ip.slice(7) : request.ip
    if (allowed !== undefined && !allowed.has(address)) {
      return reply.code(403).type('text/html').send(errorPage(403))
    }
    if (!config.keyRequired || request.method === 'OPTIONS') return undefined
    if (request.method === 'HEAD' && request.routeOptions.url === PREFIX) return undefined
    const description = refusal(request, keys)
    if (description === undefined) return undefined
    const body = `${JSON.stringify({ error_msg: 'failed to check token', description })}\n`
    return reply.code(401).type('application/json').send(body)
  })
  app.addHook('onSend', async (request, _reply, payload) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') await options.settled?.()
    return payload
  })
  app.setErrorHandler((error: Error & { code?: string; statusCode?: number }, request, reply) => {
    if (error instanceof Refused) return send(reply, error.answer)
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      return send(reply, tooLarge(request.headers['content-length'] ?? 'unknown'))
    }
    log.error({ err: error, url: request.url }, 'Admin API request failed')
    return send(reply, failure(error.message, error.statusCode ?? 500))
  })
  app.setNotFoundHandler((_request, reply) => send(reply, { status: 404, body: { error_msg: 'not found' } }))
  registerRoutes(app, options)
  return app
}

function tooLarge(size: number | string): AdminAnswer {
  return failure(
    `invalid request body: request size ${size} is greater than the maximum size ${BODY_LIMIT} allowed`,
  )
}

function registerRoutes(app: FastifyInstance, options: AdminOptions): void {
  const resources = new Resources(options, options.storage)
  app.route({ method: 'HEAD', url: PREFIX, handler: (_request, reply) => reply.code(200).send() })
  app.route({ method: 'OPTIONS', url: `${PREFIX}/*`, handler: (_request, reply) => reply.code(200).send() })
  registerSchemaRoutes(app, PREFIX, options, send)
  const seesSecrets = (request: FastifyRequest) =>
    !options.config.keyRequired || isAdmin(request, options.keys)
  registerConfigs(app, PREFIX, { ...options, seesSecrets }, send)
  // Changes are made one after the other: each is checked against what the one before left.
  let before: Promise<unknown> = Promise.resolve()
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    if (request.method === 'GET') return send(reply, await dispatch(request, resources, options))
    const turn = before.then(() => dispatch(request, resources, options))
    before = turn.catch(() => {})
    return send(reply, await turn)
  }
  app.route({ method: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'], url: `${PREFIX}/*`, handler })
}

async function dispatch(
  request: FastifyRequest,
  resources: Resources,
  { streams }: AdminOptions,
): Promise<AdminAnswer> {
  const path = (request.params as { '*': string })['*']
  const found = parsePath(path)
  const resource = path.split('/').find((part) => part !== '') ?? ''
  if (found === undefined) return failure(`Unsupported resource type: ${resource}`, 404)
  const { kind, id, rest, prefix } = found
  const query = request.query as Readonly<Record<string, string | undefined>>
  const { method, body } = request
  if (query.ttl !== undefined && !(Number(query.ttl) > 0))
    return failure('invalid argument ttl: should be a number')
  if (UNSUPPORTED[kind]?.includes(method) === true)
    return failure(`not supported \`${method}\` method for ${WORDS[kind]}`, 405)
  // Without a port it would never be used.
  if (kind === 'stream_routes' && !streams && (method === 'PUT' || method === 'POST'))
    return failure('stream mode is disabled, can not add stream routes')
  switch (method) {
    case 'GET':
      return id === undefined ? resources.list(kind, prefix, query) : resources.get(kind, id)
    case 'PUT':
      return resources.put(kind, id ?? statedBelow(prefix, body), body, query)
    case 'POST':
      return resources.post(kind, id, body, query)
  }
  if (id === undefined) return failure(missingId(kind, method))
  if (method === 'PATCH') return resources.patch(kind, id, rest, body)
  return resources.delete(kind, id, { force: query.force === 'true' })
}

/** The id of a credential or secret that only the body names. */
function statedBelow(prefix: string, body: unknown): string | undefined {
  return prefix === '' || !isObject(body) || body.id === undefined ? undefined : `${prefix}${body.id}`
}

function send(reply: FastifyReply, answer: AdminAnswer): FastifyReply {
  reply.code(answer.status).header('X-API-VERSION', 'v3')
  if (typeof answer.body === 'string') return reply.type('text/plain').send(answer.body)
  return reply.type('application/json').send(`${JSON.stringify(answer.body)}\n`)
}
