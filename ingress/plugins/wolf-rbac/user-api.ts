import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject } from '../../objects/index.ts'
import type { PluginAnswer, PluginEnvironment } from '../plugin.ts'
import {
  callWolf,
  formatToken,
  parseToken,
  type RbacToken,
  tokenOf,
  type WolfConf,
  WolfRefusal,
} from './wolf-server.ts'

const BODY_LIMIT = 65_536
/** Under this are the functions that public-api can publish. */
export const WOLF_API = '/apisix/plugin/wolf-rbac/'

type Auth = PluginEnvironment['auth']

/** Logs users in, changes their passwords, tells who they are: what wolf does, behind a route of public-api. */
export async function wolfApi(
  uri: string,
  context: RequestContext,
  { auth, log }: PluginEnvironment,
): Promise<PluginAnswer> {
  try {
    switch (`${context.method} ${uri.slice(WOLF_API.length)}`) {
      case 'POST login':
        return await login(await argumentsOf(context), auth)
      case 'PUT change_pwd':
        return await changePassword(await argumentsOf(context), context, auth)
      case 'GET user_info':
        return await userInfo(context, auth)
    }
    return { status: 404 }
  } catch (error) {
    if (error instanceof Answered) return error.answer
    log.error({ plugin: 'wolf-rbac', err: error }, 'wolf did not do it')
    const status = error instanceof WolfRefusal ? 200 : 500
    return said(status, { message: 'request to wolf-server failed!' })
  }
}

class Answered extends Error {
  readonly answer: PluginAnswer

  constructor(status: number, message: string) {
    super(message)
    this.answer = said(status, { message })
  }
}

function said(status: number, body: JsonObject): PluginAnswer {
  return { status, body }
}

async function argumentsOf({ exchange }: RequestContext): Promise<JsonObject> {
  const text = (await exchange.collectBody(BODY_LIMIT)).toString('utf8')
  if (exchange.headers.get('content-type')?.includes('application/json') !== true)
    return Object.fromEntries(new URLSearchParams(text))
  try {
    const content: unknown = JSON.parse(text)
    if (isObject(content)) return content
  } catch {
    // As any other body that is no object.
  }
  throw new Answered(400, 'invalid request')
}

function confOf(auth: Auth, appid: string): WolfConf {
  const conf = auth.find('wolf-rbac', appid)?.conf
  if (conf === undefined) throw new Answered(400, 'appid not found')
  return conf as unknown as WolfConf
}

async function login(args: JsonObject, auth: Auth): Promise<PluginAnswer> {
  if (args.appid === undefined) throw new Answered(400, 'appid is missing')
  const appid = String(args.appid)
  const data = await callWolf(confOf(auth, appid), {
    method: 'POST',
    path: '/wolf/rbac/login.rest',
    body: args,
  })
  const token = formatToken({ appid, token: String(data.token ?? '') })
  return said(200, { rbac_token: token, user_info: data.userInfo })
}

function tokenIn(context: RequestContext): RbacToken {
  const given = tokenOf(context)
  if (given === undefined) throw new Answered(401, 'Missing rbac token in request')
  const token = parseToken(given)
  if (token === undefined) throw new Answered(401, 'invalid rbac token: parse failed')
  return token
}

async function changePassword(args: JsonObject, context: RequestContext, auth: Auth): Promise<PluginAnswer> {
  const { appid, token } = tokenIn(context)
  const request = { method: 'POST', path: '/wolf/rbac/change_pwd', token, body: args }
  await callWolf(confOf(auth, appid), request)
  return said(200, { message: 'success to change password' })
}

async function userInfo(context: RequestContext, auth: Auth): Promise<PluginAnswer> {
  const { appid, token } = tokenIn(context)
  const data = await callWolf(confOf(auth, appid), { method: 'GET', path: '/wolf/rbac/user_info', token })
  return said(200, { user_info: data.userInfo })
}
