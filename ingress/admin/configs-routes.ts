import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { stringify } from 'yaml'
import type { CheckContext } from '../objects/check.ts'
import type { JsonObject } from '../objects/index.ts'
import { type AdminAnswer, failure, Refused } from './answers.ts'
import { checkDeclaration, parseDeclaration } from './declaration.ts'
import { DeclarationError, DeclaredStorage, DIGEST, LAST_MODIFIED, mapItems } from './declared-storage.ts'
import type { ObjectStorage } from './object-storage.ts'
import { withoutSecrets } from './secret-fields.ts'

// A document holds everything there is.
const BODY_LIMIT = 256 * 1024 ** 2

export interface ConfigsOptions extends CheckContext {
  readonly storage: ObjectStorage
  /** Whether whoever asks may see secrets. */
  readonly seesSecrets: (request: FastifyRequest) => boolean
}

type Send = (reply: FastifyReply, answer: AdminAnswer) => FastifyReply

/**
 * `/configs`: the whole configuration as one document of JSON or YAML, which can be checked, and in API-driven standalone
 * mode be read and put.
 */
export function registerConfigs(
  app: FastifyInstance,
  prefix: string,
  options: ConfigsOptions,
  send: Send,
): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_LIMIT }, (_request, text, done) =>
      done(null, text),
    )
    scope.post(`${prefix}/configs/validate`, (request, reply) => send(reply, validated(request, options)))
    const { storage } = options
    if (!(storage instanceof DeclaredStorage)) return
    scope.head(`${prefix}/configs`, (_request, reply) => described(reply, storage).send())
    scope.get(`${prefix}/configs`, (request, reply) => {
      const { registry, seesSecrets } = options
      const document = seesSecrets(request)
        ? storage.document
        : mapItems(storage.document, (list, item) =>
            list === 'plugins' ? item : withoutSecrets(list, item, registry),
          )
      described(reply, storage)
      return request.headers.accept?.startsWith('application/yaml') === true
        ? reply.header('Content-Type', 'application/yaml').send(stringify(document))
        : reply.header('Content-Type', 'application/json').send(JSON.stringify(document))
    })
    let before: Promise<unknown> = Promise.resolve()
    scope.put(`${prefix}/configs`, async (request, reply) => {
      const turn = before.then(() => replaced(request, storage))
      before = turn.catch(() => {})
      const answer = await turn
      return answer === undefined ? described(reply, storage).code(202).send() : send(reply, answer)
    })
  })
}

/** Says which document is in force. */
function described(reply: FastifyReply, { document }: DeclaredStorage): FastifyReply {
  for (const name of [LAST_MODIFIED, DIGEST]) {
    const value = document[name]
    if (value !== undefined) reply.header(name, String(value))
  }
  return reply
}

function contentOf({ body, headers }: FastifyRequest): JsonObject {
  try {
    return parseDeclaration(typeof body === 'string' ? body : '', headers['content-type'])
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Refused(failure(`invalid request body: ${why}`))
  }
}

/** undefined if the document is in force now. */
async function replaced(request: FastifyRequest, storage: DeclaredStorage): Promise<AdminAnswer | undefined> {
  const digest = request.headers[DIGEST.toLowerCase()]
  if (typeof digest !== 'string') return failure('missing digest header')
  const content = contentOf(request)
  // Whoever put it before need not put it again.
  if (storage.document[DIGEST] === digest) return { status: 204, body: '' }
  try {
    await storage.replace(content, digest)
    return undefined
  } catch (error) {
    if (error instanceof DeclarationError) return failure(error.message)
    throw error
  }
}

function validated(request: FastifyRequest, context: CheckContext): AdminAnswer {
  const content = contentOf(request)
  const { faults } = checkDeclaration(content, context)
  if (faults.length === 0) return { status: 200, body: {} }
  return { status: 400, body: { error_msg: 'Configuration validation failed', errors: faults } }
}
