import { createHash } from 'node:crypto'
import * as oidc from 'openid-client'
import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import type { PluginAnswer } from '../plugin.ts'
import type { Provider } from './provider.ts'
import { type CookieSettings, endCookies, type SealedCookies } from './session.ts'
import type { OidcConf } from './settings.ts'

/** What a session holds. */
export interface Tokens {
  readonly access_token: string
  readonly id_token?: string | undefined
  readonly refresh_token?: string | undefined
  readonly claims: JsonObject
  /** What was granted, separated by blanks. */
  readonly scope: string
  readonly userinfo?: JsonObject | undefined
  /** When the access token ends, seconds since 1970. */
  readonly expires?: number | undefined
  /** When the session ends, seconds since 1970. */
  readonly until?: number | undefined
}

const PENDING_SECONDS = 600

/** The authorization code flow (OpenID Connect Core §3.1) with the session in sealed cookies. */
export class Login {
  readonly #conf: OidcConf
  readonly #provider: Provider
  readonly #cookies: SealedCookies
  readonly #name: string

  constructor(conf: OidcConf, provider: Provider, cookies: SealedCookies) {
    this.#conf = conf
    this.#provider = provider
    this.#cookies = cookies
    // Routes with different clients on one host have sessions of their own.
    const client = `${conf.discovery} ${conf.client_id}`
    this.#name =
      conf.session?.cookie_name ??
      `plexus_session_${createHash('sha256').update(client).digest('hex').slice(0, 8)}`
  }

  #settings(context: RequestContext, maxAge?: number | undefined): CookieSettings {
    const session = this.#conf.session
    return {
      secure: session?.cookie_secure ?? context.scheme === 'https',
      maxAge,
      path: session?.cookie_path ?? '/',
      domain: session?.cookie_domain,
      httpOnly: session?.cookie_http_only ?? true,
      sameSite: session?.cookie_same_site ?? 'Lax',
    }
  }

  #read(context: RequestContext): (cookie: string) => string | undefined {
    return (cookie) => {
      const value = context.variables(`cookie_${cookie}`)
      return value === undefined ? undefined : String(value)
    }
  }

  redirectUri(context: RequestContext): URL {
    const { redirect_uri } = this.#conf
    const base = `${context.scheme}://${context.rawHost}`
    if (redirect_uri !== undefined) return new URL(redirect_uri, base)
    return new URL(`${context.path.replace(/\/$/, '')}/.apisix/redirect`, base)
  }

  isCallback(context: RequestContext): boolean {
    const { redirect_uri } = this.#conf
    if (redirect_uri === undefined) return context.path.endsWith('/.apisix/redirect')
    return context.path === this.redirectUri(context).pathname
  }

  /** The tokens of the session; undefined without one. */
  session(context: RequestContext): Tokens | undefined {
    const content = this.#cookies.open(this.#name, this.#read(context))
    // The browser may keep the cookie for as long as it likes.
    if (content === undefined || Number(content.until ?? Number.POSITIVE_INFINITY) <= Date.now() / 1000)
      return undefined
    return content as unknown as Tokens
  }

  /** Set-Cookie values that keep the tokens. */
  keep(context: RequestContext, tokens: Tokens): string[] {
    const session = this.#conf.session
    const lifetime = session?.absolute_timeout ?? session?.cookie?.lifetime
    // A renewed session ends when the first one would have.
    const until = tokens.until ?? (lifetime && Math.floor(Date.now() / 1000) + lifetime)
    const settings = this.#settings(context, until && Math.max(1, until - Math.floor(Date.now() / 1000)))
    const whole = this.#cookies.seal(this.#name, { ...tokens, until }, settings)
    // Too long for cookies: what can be asked for again is left out.
    return (
      whole ??
      this.#cookies.seal(
        this.#name,
        { ...tokens, until, userinfo: undefined, id_token: undefined },
        settings,
      ) ??
      []
    )
  }

  /** Sends the browser to the provider. */
  async begin(context: RequestContext): Promise<PluginAnswer> {
    const configuration = await this.#provider.configuration()
    const redirectUri = context.path.endsWith('/.apisix/redirect')
      ? new URL('/.apisix/redirect', `${context.scheme}://${context.rawHost}`)
      : this.redirectUri(context)
    const state = oidc.randomState()
    const nonce = oidc.randomNonce()
    const verifier = oidc.randomPKCECodeVerifier()
    const back = context.method === 'GET' ? context.exchange.request.target : '/'
    const url = oidc.buildAuthorizationUrl(configuration, {
      ...this.#conf.authorization_params,
      redirect_uri: redirectUri.href,
      scope: this.#conf.scope,
      state,
      ...(this.#conf.use_nonce ? { nonce } : {}),
      ...(this.#conf.use_pkce
        ? { code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }
        : {}),
    })
    const pending = {
      state,
      nonce,
      verifier,
      back: back.startsWith('/') ? back : '/',
      redirect: redirectUri.href,
    }
    // The browser comes back from another site: Strict would keep the cookie from it.
    const settings = { ...this.#settings(context, PENDING_SECONDS), sameSite: 'Lax' } as const
    const cookies = this.#cookies.seal(this.#pendingName(state), pending, settings) ?? []
    const headers = { Location: url.href, 'Set-Cookie': cookies, 'Cache-Control': 'no-store' }
    return { status: 302, body: '', headers }
  }

  /** One per attempt, so that tabs do not disturb each other. */
  #pendingName(state: string): string {
    return `${this.#name}_${createHash('sha256').update(state).digest('hex').slice(0, 8)}`
  }

  /** The browser comes back from the provider. */
  async finish(context: RequestContext): Promise<PluginAnswer> {
    const state = new URLSearchParams(context.query).get('state') ?? ''
    const read = this.#read(context)
    const name = this.#pendingName(state)
    const pending = this.#cookies.open(name, read)
    if (pending === undefined || pending.state !== state)
      return { status: 400, body: { message: 'no login was begun here, or too long ago' } }
    const configuration = await this.#provider.configuration()
    const current = new URL(String(pending.redirect))
    current.search = context.query
    const answer = await oidc.authorizationCodeGrant(configuration, current, {
      expectedState: state,
      ...(this.#conf.use_nonce ? { expectedNonce: String(pending.nonce), idTokenExpected: true } : {}),
      ...(this.#conf.use_pkce ? { pkceCodeVerifier: String(pending.verifier) } : {}),
    })
    const claims = { ...answer.claims() }
    const { userinfo_endpoint } = configuration.serverMetadata()
    const userinfo =
      this.#conf.set_userinfo_header && userinfo_endpoint !== undefined && claims.sub !== undefined
        ? { ...(await oidc.fetchUserInfo(configuration, answer.access_token, String(claims.sub))) }
        : undefined
    // RFC 6749 §5.1: not said, it is what was asked for.
    const tokens = { ...tokensOf(answer), claims, scope: answer.scope ?? this.#conf.scope, userinfo }
    const cookies = [...this.keep(context, tokens), ...endCookies(name, this.#settings(context), read)]
    return { status: 302, body: '', headers: { Location: String(pending.back), 'Set-Cookie': cookies } }
  }

  /** New tokens for ended ones; undefined if the provider gives none. */
  async renew(tokens: Tokens): Promise<Tokens | undefined> {
    if (tokens.refresh_token === undefined) return undefined
    try {
      const configuration = await this.#provider.configuration()
      const answer = await oidc.refreshTokenGrant(configuration, tokens.refresh_token)
      return { ...tokens, ...tokensOf(answer, tokens) }
    } catch {
      return undefined
    }
  }

  /** Ends the session here, and at the provider if it offers that. */
  async logout(context: RequestContext): Promise<PluginAnswer> {
    const tokens = this.session(context)
    const cookies = endCookies(this.#name, this.#settings(context), this.#read(context))
    const configuration = await this.#provider.configuration()
    const after = this.#conf.post_logout_redirect_uri
    const location =
      configuration.serverMetadata().end_session_endpoint === undefined
        ? (after ?? '/')
        : oidc.buildEndSessionUrl(configuration, {
            ...(after === undefined ? {} : { post_logout_redirect_uri: after }),
            ...(tokens?.id_token === undefined ? {} : { id_token_hint: tokens.id_token }),
          }).href
    return { status: 302, body: '', headers: { Location: location, 'Set-Cookie': cookies } }
  }
}

function tokensOf(
  answer: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>,
  before?: Tokens,
): Omit<Tokens, 'claims' | 'scope'> {
  const seconds = answer.expiresIn()
  return {
    access_token: answer.access_token,
    id_token: answer.id_token ?? before?.id_token,
    refresh_token: answer.refresh_token ?? before?.refresh_token,
    expires: seconds === undefined ? undefined : Math.floor(Date.now() / 1000) + seconds,
  }
}
