import { createHash, generateKeyPairSync } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import * as jose from 'jose'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const SECRET = 'a secret of the session'

/** A provider with discovery, authorization, token, userinfo, introspection and key endpoints. */
async function provider(t: ExecutionContext) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
  const codes = new Map<string, URLSearchParams>()
  const seen = { refreshed: 0, lifetime: 300 }
  let issuer = ''
  const sign = (claims: jose.JWTPayload) =>
    new jose.SignJWT({ sub: 'ann', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(issuer)
      .setAudience('plexus')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  const { port } = await httpBackend(t, {
    handler: async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      const url = new URL(request.url ?? '', issuer)
      const json = (value: unknown) => {
        response.setHeader('Content-Type', 'application/json')
        response.end(JSON.stringify(value))
      }
      switch (url.pathname) {
        case '/.well-known/openid-configuration':
          return json({
            issuer,
            authorization_endpoint: `${issuer}/authorize`,
            token_endpoint: `${issuer}/token`,
            userinfo_endpoint: `${issuer}/userinfo`,
            introspection_endpoint: `${issuer}/introspect`,
            end_session_endpoint: `${issuer}/end`,
            jwks_uri: `${issuer}/keys`,
          })
        case '/authorize': {
          const code = `code-${codes.size}`
          codes.set(code, url.searchParams)
          const back = new URL(url.searchParams.get('redirect_uri') ?? '')
          back.search = new URLSearchParams({ code, state: url.searchParams.get('state') ?? '' }).toString()
          return response.writeHead(302, { location: back.href }).end()
        }
        case '/token': {
          const form = new URLSearchParams(body)
          const given = { token_type: 'Bearer', expires_in: seen.lifetime, refresh_token: 'again' }
          if (form.get('grant_type') === 'refresh_token') {
            seen.refreshed++
            return json({ ...given, access_token: 'second' })
          }
          const asked = codes.get(form.get('code') ?? '')
          const challenge = createHash('sha256')
            .update(form.get('code_verifier') ?? '')
            .digest('base64url')
          if (asked === undefined || asked.get('code_challenge') !== challenge)
            return response.writeHead(400).end('{"error":"invalid_grant"}')
          const id_token = await sign({ nonce: asked.get('nonce') })
          return json({ ...given, access_token: 'first', id_token })
        }
        case '/userinfo':
          return json({ sub: 'ann', email: 'ann@example.com' })
        case '/introspect':
          return json({ active: new URLSearchParams(body).get('token') === 'opaque', scope: 'read' })
        default:
          return json({ keys: [jwk] })
      }
    },
  })
  issuer = `http://127.0.0.1:${port}`
  const discovery = `${issuer}/.well-known/openid-configuration`
  return { issuer, discovery, sign, seen, publicKey }
}

const CLIENT = { client_id: 'plexus', client_secret: 'client secret' }
interface Echo {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

async function gatewayWith(t: ExecutionContext, conf: Record<string, unknown>) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await gateway.put('/routes/1', {
    uri: '/*',
    upstream,
    plugins: { 'openid-connect': { ...CLIENT, ...conf } },
  })
  return gateway
}

test('openid-connect checks bearer tokens by keys and by introspection', async (t) => {
  const idp = await provider(t)
  const { url, put } = await gatewayWith(t, { discovery: idp.discovery, bearer_only: true, use_jwks: true })
  const get = async (token: string | undefined, headers: Record<string, string> = {}) =>
    fetch(url, {
      headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    })
  const missing = await get(undefined)
  t.deepEqual([missing.status, missing.headers.get('www-authenticate')], [401, 'Bearer realm="apisix"'])
  const good = await idp.sign({ scope: 'read' })
  const answer = (await (await get(good, { 'x-userinfo': 'forged', 'x-id-token': 'forged' })).json()) as Echo
  t.is(answer.headers['x-access-token'], good)
  t.is(answer.headers['x-id-token'], undefined)
  const told = JSON.parse(Buffer.from(answer.headers['x-userinfo'] ?? '', 'base64').toString()) as {
    sub: string
  }
  t.is(told.sub, 'ann')
  // The provider's public key must not serve as a shared secret.
  const pem = idp.publicKey.export({ type: 'spki', format: 'pem' })
  const confused = await new jose.SignJWT({ sub: 'eve' })
    .setProtectedHeader({ alg: 'HS256', kid: 'k' })
    .setIssuer(idp.issuer)
    .sign(Buffer.from(pem))
  const other = await new jose.SignJWT({ sub: 'eve' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer(idp.issuer)
    .sign(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
  for (const bad of ['nonsense', confused, other, `${good.slice(0, -4)}AAAA`])
    t.is((await get(bad)).status, 401)

  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const opaque = { ...CLIENT, discovery: idp.discovery, bearer_only: true, required_scopes: ['read'] }
  await put('/routes/1', { uri: '/*', upstream, plugins: { 'openid-connect': opaque } })
  t.is((await get('opaque')).status, 200)
  t.is((await get('revoked')).status, 401)
  await put('/routes/1', {
    uri: '/*',
    upstream,
    plugins: { 'openid-connect': { ...opaque, required_scopes: ['write'] } },
  })
  t.is((await get('opaque')).status, 403)
})

test('openid-connect logs a browser in, renews its tokens and logs it out', async (t) => {
  const idp = await provider(t)
  const conf = {
    discovery: idp.discovery,
    session: { secret: SECRET },
    redirect_uri: '/callback',
    use_pkce: true,
  }
  const { url, admin } = await gatewayWith(t, conf)
  const jar = new Map<string, string>()
  const visit = async (where: string) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(where, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      t.regex(line, /; Path=\/; HttpOnly; SameSite=Lax/)
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/Max-Age=0/.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return { response, to: response.headers.get('location') ?? '' }
  }
  idp.seen.lifetime = 0
  const away = await visit(`${url}/page?x=1`)
  t.is(away.response.status, 302)
  t.true(away.to.startsWith(`${idp.issuer}/authorize?`))
  const back = await visit(away.to)
  t.true(back.to.startsWith(`${url}/callback?code=`))
  // Somebody else's browser cannot finish this login.
  t.is((await fetch(back.to, { redirect: 'manual' })).status, 400)
  const inside = await visit(back.to)
  t.is(inside.to, '/page?x=1')
  t.is(jar.size, 1)
  // The token has ended at once: it is renewed on the way.
  idp.seen.lifetime = 300
  const page = await visit(`${url}/page?x=1`)
  t.is(page.response.status, 200)
  const echo = (await page.response.json()) as Echo
  t.is(echo.headers['x-access-token'], 'second')
  const info = JSON.parse(Buffer.from(echo.headers['x-userinfo'] ?? '', 'base64').toString()) as {
    email: string
  }
  t.is(info.email, 'ann@example.com')
  await visit(`${url}/page`)
  t.is(idp.seen.refreshed, 1)
  const [[name = '', value = ''] = []] = jar
  const forged = await fetch(`${url}/page`, {
    redirect: 'manual',
    headers: { cookie: `${name}=${value.slice(0, -2)}AA` },
  })
  t.is(forged.status, 302)
  const out = await visit(`${url}/logout`)
  t.true(out.to.startsWith(`${idp.issuer}/end`))
  t.is(jar.size, 0)
  const without = await admin('PUT', '/routes/2', {
    uri: '/x',
    plugins: { 'openid-connect': { ...CLIENT, discovery: idp.discovery } },
  })
  t.regex(String(without.body.error_msg), /"session.secret" is required/)
})

test('openid-connect without its provider: 503, and deny and pass as configured', async (t) => {
  const gone = { discovery: 'http://127.0.0.1:1/', session: { secret: SECRET } }
  const first = await gatewayWith(t, gone)
  t.is((await fetch(first.url)).status, 503)
  const deny = await gatewayWith(t, { ...gone, unauth_action: 'deny' })
  t.is((await fetch(deny.url)).status, 401)
  const pass = await gatewayWith(t, { ...gone, unauth_action: 'pass' })
  t.is((await fetch(pass.url)).status, 200)
})
