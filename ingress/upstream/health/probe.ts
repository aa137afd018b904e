import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { ActiveChecks } from './settings.ts'

/** An HTTP status, 'open' for a TCP port that took the connection, or why nothing came. */
export type ProbeResult = number | 'open' | 'unreachable' | 'timeout'

/** Asks one server once. Never rejects. */
export function probe(
  checks: ActiveChecks,
  server: { readonly host: string; readonly port: number; readonly name: string },
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const port = checks.port ?? server.port
    const { promise, finish, signal } = within(checks.timeout * 1000)
    promise.then(resolve)
    if (checks.type === 'tcp') {
      const socket = net.connect({ host: server.host, port, signal })
      socket.on('connect', () => {
        finish('open')
        socket.destroy()
      })
      socket.on('error', () => finish('unreachable'))
      return
    }
    const headers: Record<string, string> = { Host: checks.host ?? server.name, Connection: 'close' }
    for (const line of checks.req_headers ?? []) {
      const colon = line.indexOf(':')
      if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
    }
    const options = {
      host: server.host,
      port,
      method: checks.http_method ?? 'GET',
      path: checks.http_path,
      headers,
      agent: false as const,
      signal,
    }
    const request =
      checks.type === 'https'
        ? https.request({
            ...options,
            rejectUnauthorized: checks.https_verify_certificate,
            ...(checks.host === undefined ? {} : { servername: checks.host }),
          })
        : http.request(options)
    request.on('response', (response) => {
      finish(response.statusCode ?? 0)
      response.destroy()
    })
    request.on('error', () => finish('unreachable'))
    request.end()
  })
}

/** A result that settles once: with what `finish` is told, or as a timeout, which also aborts what is under way. */
function within(ms: number) {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>()
  const abort = new AbortController()
  const timer = setTimeout(() => {
    resolve('timeout')
    abort.abort()
  }, ms)
  const finish = (result: ProbeResult) => {
    clearTimeout(timer)
    resolve(result)
  }
  return { promise, finish, signal: abort.signal }
}
