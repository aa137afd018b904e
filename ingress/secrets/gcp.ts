import { isObject } from '../objects/index.ts'
import { type GoogleAccountConf, type GoogleTokens, readAccount } from '../plugins/google-account.ts'
import { call } from '../plugins/http-call.ts'
import { fieldOf, SECRET_TIMEOUT_MS } from './field.ts'

const DEFAULTS = {
  scope: 'https://www.googleapis.com/auth/cloud-platform',
  entries_uri: 'https://secretmanager.googleapis.com/v1',
}

/** Reads a secret of Google Cloud's Secret Manager (`name`), or a field of one that is a JSON object (`name/field`). */
export async function readGcp(conf: GoogleAccountConf, path: string, tokens: GoogleTokens): Promise<string> {
  const slash = path.indexOf('/')
  const name = slash === -1 ? path : path.slice(0, slash)
  const account = await readAccount(conf, DEFAULTS)
  const verify = conf.ssl_verify ?? true
  const place = `projects/${account.project_id}/secrets/${encodeURIComponent(name)}`
  const { status, body } = await call({
    url: `${account.entries_uri.replace(/\/+$/, '')}/${place}/versions/latest:access`,
    method: 'GET',
    headers: { Authorization: await tokens.authorization(account, { verify }) },
    timeoutMs: SECRET_TIMEOUT_MS,
    verify,
  })
  if (status !== 200) throw new Error(`Google Cloud answers ${status} for ${place}`)
  const answer: unknown = JSON.parse(body.toString('utf8'))
  const payload = isObject(answer) ? answer.payload : undefined
  const data = isObject(payload) ? payload.data : undefined
  if (typeof data !== 'string') throw new Error(`${place} in Google Cloud has no data`)
  return fieldOf(Buffer.from(data, 'base64').toString('utf8'), slash === -1 ? '' : path.slice(slash + 1))
}
