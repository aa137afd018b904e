import { createSign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isObject } from '../objects/index.ts'
import { call } from './http-call.ts'

/** A service account of Google Cloud, as its key file has it. */
export interface GoogleAccount {
  readonly client_email: string
  readonly private_key: string
  readonly project_id: string
  readonly token_uri: string
  readonly scope: string | readonly string[]
  readonly entries_uri: string
}

/** What names an account: itself, or the path of its key file. Its schema is googleAccountProperties. */
export interface GoogleAccountConf {
  readonly auth_config?: GoogleAccount | undefined
  readonly auth_file?: string | undefined
  readonly ssl_verify?: boolean | undefined
}

const TIMEOUT_MS = 5000
/** A token is renewed this long before it ends. */
const EARLY_MS = 60_000
const LIFETIME_S = 3600

/** The account a configuration names, `defaults` being what a key file does not say. Rejects if the file is no key file. */
export async function readAccount(
  conf: GoogleAccountConf,
  defaults: Pick<GoogleAccount, 'scope' | 'entries_uri'>,
): Promise<GoogleAccount> {
  if (conf.auth_config !== undefined) return conf.auth_config
  const file = conf.auth_file ?? ''
  const content: unknown = JSON.parse(await readFile(file, 'utf8'))
  const text = (name: string, otherwise?: string): string => {
    const value = (isObject(content) ? content[name] : undefined) ?? otherwise
    if (typeof value === 'string') return value
    throw new Error(`${file} has no ${name}: it must be the key file of a service account`)
  }
  return {
    ...defaults,
    client_email: text('client_email'),
    private_key: text('private_key'),
    project_id: text('project_id'),
    token_uri: text('token_uri', 'https://oauth2.googleapis.com/token'),
  }
}

/** Access tokens of service accounts, kept as long as they are good. */
export class GoogleTokens {
  readonly #tokens = new Map<string, { readonly authorization: string; readonly until: number }>()

  /** The value of an Authorization field. Rejects if the account gets no token. */
  async authorization(account: GoogleAccount, options: { readonly verify: boolean }): Promise<string> {
    const key = JSON.stringify(account)
    const known = this.#tokens.get(key)
    if (known !== undefined && known.until > Date.now()) return known.authorization
    const { status, body } = await call({
      url: account.token_uri,
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: assertion(account, Math.floor(Date.now() / 1000)),
      }).toString(),
      timeoutMs: TIMEOUT_MS,
      verify: options.verify,
    })
    if (status !== 200) throw new Error(`${account.token_uri} answers ${status} to ${account.client_email}`)
    const answer: unknown = JSON.parse(body.toString('utf8'))
    const { access_token: token, token_type: type, expires_in: seconds } = isObject(answer) ? answer : {}
    if (typeof token !== 'string') throw new Error(`${account.token_uri} gives no token`)
    const authorization = `${typeof type === 'string' ? type : 'Bearer'} ${token}`
    this.#tokens.set(key, { authorization, until: Date.now() + Number(seconds ?? 0) * 1000 - EARLY_MS })
    return authorization
  }
}

/** RFC 7523 §2.1: a token the account signs for itself. */
function assertion({ client_email, private_key, token_uri, scope }: GoogleAccount, now: number): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    iss: client_email,
    aud: token_uri,
    scope: typeof scope === 'string' ? scope : scope.join(' '),
    iat: now,
    exp: now + LIFETIME_S,
  }
  const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode(claims)}`
  return `${text}.${createSign('RSA-SHA256').update(text).sign(private_key, 'base64url')}`
}
