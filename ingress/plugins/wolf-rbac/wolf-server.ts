import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject } from '../../objects/index.ts'
import { queryArgument } from '../../route/index.ts'
import { call } from '../http-call.ts'

/** What a consumer's configuration says of the wolf server that knows its users. */
export interface WolfConf {
  readonly server: string
  readonly appid: string
  readonly header_prefix: string
  readonly ssl_verify: boolean
}

export interface RbacToken {
  readonly appid: string
  /** What wolf itself gave out. */
  readonly token: string
}

const VERSION = 'V1'
const CHECK_TIMEOUT_MS = 10_000
const TIMEOUT_MS = 5000
const TRIES = 3
const PAUSE_MS = 100

export function formatToken({ appid, token }: RbacToken): string {
  return `${VERSION}#${appid}#${token}`
}

/** `V1#<appid>#<token>`; undefined if it is not of that form. */
export function parseToken(text: string): RbacToken | undefined {
  const [, appid, token] = /^V1#([^#]*)#(.*)$/s.exec(text) ?? []
  return appid === undefined || token === undefined ? undefined : { appid, token }
}

/** The token of a request: an argument, a field or a cookie. */
export function tokenOf({ query, exchange, variables }: RequestContext): string | undefined {
  const given = [
    queryArgument(query, 'rbac_token'),
    exchange.headers.get('authorization'),
    exchange.headers.get('x-rbac-token'),
    variables('cookie_x-rbac-token'),
  ].find((one) => one !== undefined)
  return given === undefined ? undefined : String(given)
}

/** Asks whether a user may do something; asked again where the server fails. Rejects if there is no answer. */
export async function checkAccess(
  conf: WolfConf,
  token: RbacToken,
  asked: { readonly action: string; readonly resName: string; readonly clientIP: string },
): Promise<{ readonly status: number; readonly body: JsonObject }> {
  const query = new URLSearchParams({ appID: token.appid, ...asked }).toString()
  for (let tries = 1; ; tries++) {
    const answer = await call({
      url: `${conf.server}/wolf/rbac/access_check?${query}`,
      method: 'GET',
      headers: { 'Content-Type': 'application/json; charset=utf-8', 'x-rbac-token': token.token },
      timeoutMs: CHECK_TIMEOUT_MS,
      verify: conf.ssl_verify,
    })
    if (answer.status < 500) return { status: answer.status, body: decoded(answer.body) }
    if (tries === TRIES) throw new Error(`${conf.server} answers ${answer.status}`)
    await sleep(PAUSE_MS)
  }
}

/** One of wolf's own functions; its `data`. Rejects if it did not do it. */
export async function callWolf(
  conf: WolfConf,
  request: {
    readonly method: string
    readonly path: string
    readonly token?: string | undefined
    readonly body?: JsonObject | undefined
  },
): Promise<JsonObject> {
  const { method, path, token, body } = request
  const answer = await call({
    url: conf.server + path,
    method,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      ...(token === undefined ? {} : { 'x-rbac-token': token }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    timeoutMs: TIMEOUT_MS,
    verify: conf.ssl_verify,
  })
  const { ok, data, reason } = decoded(answer.body)
  if (answer.status !== 200) throw new Error(`${conf.server} answers ${answer.status}`)
  if (ok !== true) throw new WolfRefusal(String(reason ?? 'no reason'))
  return isObject(data) ? data : {}
}

/** wolf answered, and said no. */
export class WolfRefusal extends Error {
  readonly code = 'GW_WOLF'
}

function decoded(body: Buffer): JsonObject {
  try {
    const content: unknown = JSON.parse(body.toString('utf8'))
    return isObject(content) ? content : {}
  } catch {
    return {}
  }
}
