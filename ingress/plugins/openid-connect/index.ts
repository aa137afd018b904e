import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { clearIdentity } from '../authentication.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { type ClaimFault, ClaimRules, checkClaimSchema } from './claims.ts'
import type { Login, Tokens } from './login.ts'
import type { Provider } from './provider.ts'
import { SealedCookies } from './session.ts'
import { checkAbsent, OIDC_SCHEMA, type OidcConf } from './settings.ts'

const HEADERS = ['X-Access-Token', 'X-ID-Token', 'X-Userinfo', 'X-Refresh-Token']

function base64(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}

interface Machinery {
  readonly provider: Provider
  /** undefined: there is no secret for sessions. */
  readonly login: Login | undefined
}

/** The libraries behind it take their time to load: only a gateway that uses the plugin does so. */
async function load(conf: OidcConf): Promise<Machinery> {
  const [{ Provider }, { Login }] = await Promise.all([import('./provider.ts'), import('./login.ts')])
  const provider = new Provider(conf)
  const secret = conf.session?.secret
  const login = secret === undefined ? undefined : new Login(conf, provider, new SealedCookies(secret))
  return { provider, login }
}

/** Logs people in at an OpenID provider, or checks the bearer tokens it gave out. */
export const openidConnect: Plugin = {
  name: 'openid-connect',
  priority: 2599,
  encryptFields: ['client_secret', 'session.secret', 'client_rsa_private_key', 'dpop.private_key'],
  schema: OIDC_SCHEMA,
  check(conf) {
    // Without a secret anybody could make sessions; with one of ours they would end with the process.
    if (conf.bearer_only !== true && conf.unauth_action === 'auth' && conf.session === undefined)
      return 'property "session.secret" is required when "bearer_only" is false'
    // A token's signature is checked without one, and a public client has its PKCE verifier instead.
    const secretless =
      conf.bearer_only === true
        ? conf.public_key !== undefined || conf.use_jwks === true
        : conf.use_pkce === true
    if (!secretless && conf.client_secret === undefined) return 'property "client_secret" is required'
    return checkAbsent(conf) ?? checkClaimSchema(conf.claim_schema as JsonObject | undefined)
  },
  compile(conf, environment) {
    const own = conf as unknown as OidcConf
    const loading = load(own)
    // Whoever needs it is told; nobody may need it.
    loading.catch(() => {})
    const renewed = new PerRequest<readonly string[]>()

    const rules = new ClaimRules(own)
    const refusal = (code?: string): PluginAnswer => ({
      status: 401,
      body: { message: 'authorization is required' },
      headers: {
        'WWW-Authenticate': `Bearer realm="${own.realm}"${code === undefined ? '' : `, error="${code}"`}`,
      },
    })
    const insufficient = ({ status, error }: ClaimFault): PluginAnswer =>
      status === 401
        ? refusal('invalid_token')
        : { ...refusal('insufficient_scope'), status, body: { error } }
    const tell = (context: RequestContext, tokens: Tokens): void => {
      const { headers } = context.exchange
      if (own.set_access_token_header) {
        if (own.access_token_in_authorization_header)
          headers.set('Authorization', `Bearer ${tokens.access_token}`)
        else headers.set('X-Access-Token', tokens.access_token)
      }
      if (own.set_id_token_header && tokens.id_token !== undefined)
        headers.set('X-ID-Token', base64(tokens.claims))
      if (own.set_userinfo_header) headers.set('X-Userinfo', base64(tokens.userinfo ?? tokens.claims))
      if (own.set_refresh_token_header && tokens.refresh_token !== undefined)
        headers.set('X-Refresh-Token', tokens.refresh_token)
    }
    const bearer = async (context: RequestContext, token: string): Promise<PluginAnswer | undefined> => {
      try {
        const { provider } = await loading
        const claims = { ...(await provider.check(token)) }
        const fault = rules.ofToken(claims)
        if (fault !== undefined) return insufficient(fault)
        tell(context, { access_token: token, claims, scope: '' })
        return undefined
      } catch (error) {
        environment.log.info(
          { plugin: 'openid-connect', object: environment.owner, err: error },
          'token refused',
        )
        return refusal('invalid_token')
      }
    }
    const browser = async (context: RequestContext): Promise<PluginAnswer | undefined> => {
      try {
        const { login: flow } = await loading
        if (flow === undefined) return own.unauth_action === 'pass' ? undefined : refusal()
        if (context.path === own.logout_path) return await flow.logout(context)
        if (flow.isCallback(context)) return await flow.finish(context)
        let tokens = flow.session(context)
        const ended = tokens?.expires !== undefined && tokens.expires <= Date.now() / 1000
        if (tokens !== undefined && ended && own.renew_access_token_on_expiry) {
          tokens = await flow.renew(tokens)
          if (tokens !== undefined) renewed.set(context, flow.keep(context, tokens))
        } else if (ended) tokens = undefined
        if (tokens !== undefined) {
          const { userinfo: user, access_token, claims: id_token } = tokens
          const fault = rules.ofSession(tokens.scope, { user, access_token, id_token })
          if (fault !== undefined) return insufficient(fault)
          tell(context, tokens)
          return undefined
        }
        if (own.unauth_action === 'pass') return undefined
        return own.unauth_action === 'deny' ? refusal() : await flow.begin(context)
      } catch (error) {
        environment.log.warn(
          { plugin: 'openid-connect', object: environment.owner, err: error },
          'login failed',
        )
        return { status: 503, body: { message: 'the identity provider cannot be used now' } }
      }
    }
    return {
      rewrite(context) {
        const { headers } = context.exchange
        clearIdentity(context)
        const authorization = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1]
        const token = authorization ?? headers.get('x-access-token')
        // Who the client says it is is not for the upstream to see.
        for (const name of HEADERS) if (headers.has(name)) headers.remove(name)
        if (token !== undefined) return bearer(context, token)
        return own.bearer_only ? refusal() : browser(context)
      },
      headerFilter(context, response) {
        for (const cookie of renewed.get(context) ?? []) response.headers.add('Set-Cookie', cookie)
      },
    }
  },
}
