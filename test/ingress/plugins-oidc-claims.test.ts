import test from 'ava'
import { ClaimRules } from '../../ingress/plugins/openid-connect/claims.ts'
import { SealedCookies } from '../../ingress/plugins/openid-connect/session.ts'
import type { OidcConf } from '../../ingress/plugins/openid-connect/settings.ts'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const rules = (conf: object) => new ClaimRules({ client_id: 'plexus', ...conf } as unknown as OidcConf)
const audience = (rule: object) =>
  rules({
    claim_validator: { audience: { claim: 'aud', required: false, match_with_client_id: false, ...rule } },
  })

test('openid-connect: for whom a token is, who made it, what it permits, what it looks like', (t) => {
  t.is(audience({}).ofToken({}), undefined)
  t.is(audience({ required: true }).ofToken({})?.error, 'required audience claim not present')
  t.is(audience({ required: true }).ofToken({ aud: 'somebody' }), undefined)
  const mine = audience({ match_with_client_id: true, claim: 'for' })
  t.is(mine.ofToken({ for: 'plexus' }), undefined)
  t.is(mine.ofToken({ for: ['a', 'plexus'] }), undefined)
  t.deepEqual(mine.ofToken({ for: ['a', 'plexus2'] }), { status: 403, error: 'mismatched audience' })
  t.is(mine.ofToken({ aud: 'plexus' })?.status, 403)
  const issued = rules({ claim_validator: { issuer: { valid_issuers: ['https://a', 'https://b'] } } })
  t.is(issued.ofToken({ iss: 'https://b' }), undefined)
  t.is(issued.ofToken({ iss: 'https://c' })?.status, 401)
  t.is(issued.ofToken({})?.status, 401)
  const scoped = rules({ required_scopes: ['read', 'write'] })
  t.is(scoped.ofToken({ scope: 'write read' }), undefined)
  t.is(scoped.ofToken({ scope: ['read'] })?.error, 'required scopes read, write not present')
  t.is(scoped.ofSession('openid read', {})?.status, 403)
  t.is(scoped.ofSession('read write', {}), undefined)
  const shaped = rules({ claim_schema: { type: 'object', required: ['user'] } })
  t.is(shaped.ofSession('', { user: {} }), undefined)
  t.is(shaped.ofToken({ sub: 'ann' })?.status, 401)
})

const CONF = {
  client_id: 'plexus',
  client_secret: 's',
  discovery: 'http://127.0.0.1:1/',
  session: { secret: 'a secret of the session', cookie_name: 'me', absolute_timeout: 60 },
}

test('openid-connect: a session permits what was granted and ends when it was to end', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const route = (more: object) => ({
    uri: '/*',
    upstream,
    plugins: { 'openid-connect': { ...CONF, unauth_action: 'deny', ...more } },
  })
  const cookies = new SealedCookies(CONF.session.secret)
  const settings = { secure: false, path: '/', httpOnly: true, sameSite: 'Lax' } as const
  const now = Math.floor(Date.now() / 1000)
  const status = async (tokens: object) => {
    const [cookie = ''] = cookies.seal('me', { access_token: 'x', claims: {}, ...tokens }, settings) ?? []
    return (await fetch(url, { headers: { cookie: cookie.split(';')[0] ?? '' } })).status
  }
  await put('/routes/1', route({ required_scopes: ['admin'] }))
  t.is(await status({ scope: 'openid admin', until: now + 60 }), 200)
  t.is(await status({ scope: 'openid', until: now + 60 }), 403)
  t.is(await status({ scope: 'openid admin', until: now - 1 }), 401)
  for (const [more, message] of [
    [{ dpop: { enabled: true } }, /dpop is not supported/],
    [{ client_secret: undefined }, /property "client_secret" is required/],
    [{ client_secret: undefined, bearer_only: true, use_pkce: true }, /"client_secret" is required/],
    [{ accept_none_alg: true }, /accept_none_alg is not supported/],
    [{ claim_schema: { type: 'nonsense' } }, /check claim_schema failed/],
    [{ session: { ...CONF.session, storage: 'redis' } }, /property "storage" validation failed/],
    [{ session: { ...CONF.session, colour: 'red' } }, /additional properties forbidden, found colour/],
    [
      { session: { ...CONF.session, cookie_path: '/; Domain=x' } },
      /property "cookie_path" validation failed/,
    ],
  ] as const) {
    const answer = await admin('PUT', '/routes/2', route(more))
    t.is(answer.status, 400)
    t.regex(String(answer.body.error_msg), message)
  }
  const secretless = { client_secret: undefined }
  const unused = { dpop: { private_key: 'k' }, client_rsa_private_key: 'k' }
  t.is((await admin('PUT', '/routes/3', route({ ...secretless, ...unused, use_pkce: true }))).status, 201)
  t.is(
    (await admin('PUT', '/routes/4', route({ ...secretless, bearer_only: true, use_jwks: true }))).status,
    201,
  )
})
