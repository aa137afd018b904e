import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { ApiConnectionError } from '../errors.ts'

/** What a TLS connection needs; PEM texts. */
export interface TlsMaterial {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** name to verify instead of the host's */
  readonly serverName?: string | undefined
  readonly insecure: boolean
}

export interface DialOptions {
  readonly server: URL
  readonly tls: TlsMaterial
  readonly protocols: readonly ('h2' | 'http/1.1')[]
  /** an http: proxy to CONNECT through */
  readonly proxy?: URL | undefined
  readonly timeoutMs: number
}

/** Opens a connection to the server, TLS shaken hands for https. Throws ApiConnectionError. */
export async function dial(options: DialOptions): Promise<Socket | TLSSocket> {
  const { server, proxy, timeoutMs } = options
  const plain = await opened(
    connectTcp({ host: bareHost(proxy ?? server), port: portOf(proxy ?? server) }),
    'connect',
    { to: proxy ?? server, timeoutMs },
  )
  plain.setNoDelay(true)
  plain.setKeepAlive(true, 30_000)
  if (proxy !== undefined) await tunnel(plain, { server, proxy, timeoutMs })
  if (server.protocol !== 'https:') return plain
  const { ca, cert, key, serverName, insecure } = options.tls
  const name = serverName ?? bareHost(server)
  const secure = connectTls({
    socket: plain,
    ALPNProtocols: [...options.protocols],
    rejectUnauthorized: !insecure,
    // An address may not stand in SNI (RFC 6066 section 3); it is still verified against the certificate.
    ...(isAddress(name) ? { host: name } : { servername: name, host: name }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
  return opened(secure, 'secureConnect', { to: server, timeoutMs })
}

function opened<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  { to, timeoutMs }: { to: URL; timeoutMs: number },
): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new ApiConnectionError(`cannot connect to ${to.host}: ${cause.message}`, { cause }))
    }
    const timer = setTimeout(() => fail(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    const closed = (): void => fail(new Error('the connection was closed'))
    socket.once('error', fail)
    socket.once('close', closed)
    socket.once(event, () => {
      clearTimeout(timer)
      socket.off('error', fail)
      socket.off('close', closed)
      resolve(socket)
    })
  })
}

/** Asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6). */
async function tunnel(
  socket: Socket,
  { server, proxy, timeoutMs }: { server: URL; proxy: URL; timeoutMs: number },
): Promise<void> {
  const target = `${bareHost(server).includes(':') ? `[${bareHost(server)}]` : bareHost(server)}:${portOf(server)}`
  const user =
    proxy.username === ''
      ? undefined
      : `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  const authorization =
    user === undefined ? '' : `Proxy-Authorization: Basic ${Buffer.from(user).toString('base64')}\r\n`
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`)
  const head = await new Promise<string>((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => done(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    const done = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('data', read)
      socket.off('error', done)
      socket.off('close', closed)
      if (error === undefined) resolve(text)
      else reject(new ApiConnectionError(`proxy ${proxy.host}: ${error.message}`, { cause: error }))
    }
    const closed = (): void => done(new Error('the connection was closed'))
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      if (text.includes('\r\n\r\n')) done()
      else if (text.length > 16_384) done(new Error('its answer is too long'))
    }
    socket.on('data', read)
    socket.once('error', done)
    socket.once('close', closed)
  })
  if (!/^HTTP\/1\.[01] 2\d\d/.test(head)) {
    socket.destroy()
    throw new ApiConnectionError(
      `proxy ${proxy.host} refused the tunnel to ${target}: ${head.split('\r\n')[0]}`,
    )
  }
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

function isAddress(name: string): boolean {
  return name.includes(':') || /^[0-9.]+$/.test(name)
}
