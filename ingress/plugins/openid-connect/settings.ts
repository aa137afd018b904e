import type { JsonObject, Schema } from '../../objects/index.ts'

export interface SessionConf {
  readonly secret: string
  readonly cookie_name?: string
  readonly cookie_path?: string
  readonly cookie_domain?: string
  readonly cookie_secure?: boolean
  readonly cookie_http_only?: boolean
  readonly cookie_same_site?: 'Strict' | 'Lax' | 'None' | 'Default'
  /** Seconds a session lasts. */
  readonly absolute_timeout?: number
  readonly cookie?: { readonly lifetime?: number }
}

export interface OidcConf {
  readonly client_id: string
  readonly client_secret?: string
  readonly discovery: string
  readonly realm: string
  readonly scope: string
  readonly bearer_only: boolean
  readonly required_scopes?: readonly string[]
  readonly redirect_uri?: string
  readonly logout_path: string
  readonly post_logout_redirect_uri?: string
  readonly unauth_action: 'auth' | 'deny' | 'pass'
  readonly session?: SessionConf
  readonly claim_validator?: {
    readonly issuer?: { readonly valid_issuers?: readonly string[] }
    readonly audience?: {
      readonly claim: string
      readonly required: boolean
      readonly match_with_client_id: boolean
    }
  }
  readonly claim_schema?: JsonObject
  readonly public_key?: string
  readonly use_jwks: boolean
  readonly token_signing_alg_values_expected?: string
  readonly introspection_endpoint?: string
  readonly set_access_token_header: boolean
  readonly access_token_in_authorization_header: boolean
  readonly set_id_token_header: boolean
  readonly set_userinfo_header: boolean
  readonly set_refresh_token_header: boolean
  readonly use_pkce: boolean
  readonly use_nonce: boolean
  readonly renew_access_token_on_expiry: boolean
  readonly authorization_params?: Readonly<Record<string, string>>
  readonly token_endpoint_auth_method: 'client_secret_basic' | 'client_secret_post'
  readonly ssl_verify: boolean
  readonly timeout: number
}

const flag = (value: boolean): Schema => ({ type: 'boolean', default: value })
const method: Schema = {
  type: 'string',
  enum: ['client_secret_basic', 'client_secret_post'],
  default: 'client_secret_basic',
}

export const OIDC_SCHEMA: Schema = {
  type: 'object',
  properties: {
    client_id: { type: 'string' },
    client_secret: { type: 'string' },
    client_rsa_private_key: { type: 'string' },
    discovery: { type: 'string', pattern: '^https?://' },
    realm: { type: 'string', default: 'apisix' },
    scope: { type: 'string', default: 'openid' },
    bearer_only: flag(false),
    required_scopes: { type: 'array', items: { type: 'string' } },
    redirect_uri: { type: 'string' },
    logout_path: { type: 'string', default: '/logout' },
    post_logout_redirect_uri: { type: 'string' },
    unauth_action: { type: 'string', enum: ['auth', 'deny', 'pass'], default: 'auth' },
    session: {
      type: 'object',
      properties: {
        secret: { type: 'string', minLength: 16 },
        cookie_name: { type: 'string', pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" },
        cookie_path: { type: 'string', pattern: '^/[!-:<-~]*$' },
        cookie_domain: { type: 'string', pattern: '^[0-9A-Za-z.-]+$' },
        cookie_secure: { type: 'boolean' },
        cookie_http_only: { type: 'boolean' },
        cookie_same_site: { type: 'string', enum: ['Strict', 'Lax', 'None', 'Default'] },
        absolute_timeout: { type: 'integer', minimum: 1 },
        cookie: { type: 'object', properties: { lifetime: { type: 'integer', minimum: 1 } } },
        storage: { type: 'string', enum: ['cookie'] },
      },
      required: ['secret'],
      additionalProperties: false,
    },
    claim_validator: {
      type: 'object',
      properties: {
        issuer: {
          type: 'object',
          properties: { valid_issuers: { type: 'array', items: { type: 'string' } } },
        },
        audience: {
          type: 'object',
          properties: {
            claim: { type: 'string', default: 'aud' },
            required: flag(false),
            match_with_client_id: flag(false),
          },
        },
      },
    },
    claim_schema: { type: 'object' },
    public_key: { type: 'string' },
    use_jwks: flag(false),
    token_signing_alg_values_expected: { type: 'string' },
    introspection_endpoint: { type: 'string' },
    introspection_endpoint_auth_method: method,
    token_endpoint_auth_method: method,
    set_access_token_header: flag(true),
    access_token_in_authorization_header: flag(false),
    set_id_token_header: flag(true),
    set_userinfo_header: flag(true),
    set_refresh_token_header: flag(false),
    use_pkce: flag(false),
    use_nonce: flag(true),
    renew_access_token_on_expiry: flag(true),
    authorization_params: { type: 'object' },
    par: { type: 'object' },
    dpop: { type: 'object' },
    ssl_verify: flag(true),
    timeout: { type: 'integer', minimum: 1, default: 3 },
  },
  required: ['client_id', 'discovery'],
}

/** Options of APISIX's that change what is let in or whom is talked to, and that are not here: refused, not ignored. */
const ABSENT = ['proxy_opts', 'introspection_addon_headers']
const ABSENT_FLAGS = [
  'accept_none_alg',
  'force_reauthorize',
  'revoke_tokens_on_logout',
  'set_raw_id_token_header',
]

/** A sentence about an option that would be ignored. */
export function checkAbsent(conf: JsonObject): string | undefined {
  const enabled = (one: string) => (conf[one] as JsonObject | undefined)?.enabled === true
  const name =
    ABSENT.find((one) => conf[one] !== undefined) ??
    ABSENT_FLAGS.find((one) => conf[one] === true) ??
    ['par', 'dpop'].find(enabled)
  return name === undefined ? undefined : `${name} is not supported`
}
