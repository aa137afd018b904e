import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject, type Schema } from '../../objects/index.ts'
import { attachConsumer, clearIdentity } from '../authentication.ts'
import type { Plugin, PluginAnswer, PluginEnvironment } from '../plugin.ts'
import { checkAccess, parseToken, tokenOf, type WolfConf } from './wolf-server.ts'

const SCHEMA: Schema = {
  type: 'object',
  properties: {
    appid: { type: 'string', default: 'unset' },
    server: { type: 'string', default: 'http://127.0.0.1:12180' },
    header_prefix: { type: 'string', default: 'X-' },
    ssl_verify: { type: 'boolean', default: true },
  },
}

const refuse = (status: number, message: unknown, more: JsonObject = {}): PluginAnswer => ({
  status,
  body: { ...more, message },
})

/** Asks a wolf server whether the user of a token may do what the request does. */
export const wolfRbac: Plugin = {
  name: 'wolf-rbac',
  priority: 2555,
  schema: SCHEMA,
  consumerSchema: SCHEMA,
  consumerKey: (conf) => String(conf.appid),
  compile(_conf, environment) {
    return { rewrite: (context) => decide(context, environment) }
  },
}

async function decide(
  context: RequestContext,
  environment: PluginEnvironment,
): Promise<PluginAnswer | undefined> {
  clearIdentity(context)
  const given = tokenOf(context)
  if (given === undefined) return refuse(401, 'Missing rbac token in request')
  const token = parseToken(given)
  if (token === undefined) return refuse(401, 'invalid rbac token: parse failed')
  const entry = environment.auth.find('wolf-rbac', token.appid)
  if (entry === undefined) return refuse(401, 'Invalid appid in rbac token')
  const conf = entry.conf as unknown as WolfConf
  // Only wolf says who somebody is.
  for (const name of ['UserId', 'Username', 'Nickname'])
    context.exchange.headers.remove(conf.header_prefix + name)
  try {
    const asked = { action: context.method, resName: context.path, clientIP: context.remoteAddr }
    const { status, body } = await checkAccess(conf, token, asked)
    const user = isObject(body.data) && isObject(body.data.userInfo) ? body.data.userInfo : undefined
    const fields = user === undefined ? {} : identityFields(conf.header_prefix, user)
    context.responseFields ??= []
    context.responseFields.push(...Object.entries(fields).flat())
    if (status !== 200)
      return refuse(status, body.reason, {
        ...(user === undefined ? {} : { username: user.username, nickname: user.nickname ?? user.username }),
      })
    for (const [name, value] of Object.entries(fields)) context.exchange.headers.set(name, value)
  } catch (error) {
    environment.log.error({ plugin: 'wolf-rbac', object: environment.owner, err: error }, 'no decision')
    return refuse(500, 'request to wolf-server failed')
  }
  attachConsumer(context, entry, 'wolf-rbac')
  return undefined
}

/** Who the user is, for the server and the client. */
function identityFields(prefix: string, user: JsonObject): Record<string, string> {
  return {
    [`${prefix}UserId`]: encodeURIComponent(String(user.id ?? '')),
    [`${prefix}Username`]: encodeURIComponent(String(user.username ?? '')),
    [`${prefix}Nickname`]: encodeURIComponent(String(user.nickname ?? user.username ?? '')),
  }
}
