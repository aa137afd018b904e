import type { Schema } from '../../objects/index.ts'

export interface OidcConf {
  readonly client_id: string
  readonly client_secret: string
  readonly discovery: string
  readonly realm: string
  readonly scope: string
  readonly bearer_only: boolean
  readonly required_scopes?: readonly string[]
  readonly redirect_uri?: string
  readonly logout_path: string
  readonly post_logout_redirect_uri?: string
  readonly unauth_action: 'auth' | 'deny' | 'pass'
  readonly session?: { readonly secret: string; readonly cookie?: { readonly lifetime?: number } }
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
        cookie: { type: 'object', properties: { lifetime: { type: 'integer', minimum: 1 } } },
      },
      required: ['secret'],
    },
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
    ssl_verify: flag(true),
    timeout: { type: 'integer', minimum: 1, default: 3 },
  },
  required: ['client_id', 'client_secret', 'discovery'],
}
