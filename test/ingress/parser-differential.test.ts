import http from 'node:http'
import net from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { emptyFraming, frameRequest } from '../../ingress/http/framing.ts'
import { INCOMPLETE, RequestHead } from '../../ingress/http/head.ts'

interface Reading {
  readonly method: string
  readonly target: string
  readonly fields: readonly (readonly [string, string])[]
}

/** Asks Node's own parser (llhttp), through a real server on a socket pair of loopback. */
function oracle(
  port: number,
  text: string,
  settle: Map<string, (reading: Reading | undefined) => void>,
): Promise<Reading | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    const local = () => `${socket.localPort}`
    const finish = (reading: Reading | undefined) => {
      settle.delete(local())
      socket.destroy()
      resolve(reading)
    }
    socket.on('connect', () => {
      settle.set(local(), finish)
      socket.end(Buffer.from(text, 'latin1'))
    })
    socket.on('data', () => finish(undefined))
    socket.on('error', () => finish(undefined))
    socket.on('close', () => finish(undefined))
  })
}

function ours(text: string): Reading | 'refused' | 'incomplete' {
  const buffer = Buffer.from(text, 'latin1')
  const head = new RequestHead()
  const end = head.parse(buffer, 0, buffer.length)
  if (end === INCOMPLETE) return 'incomplete'
  if (end < 0 || frameRequest(head, emptyFraming()) !== undefined) return 'refused'
  return {
    method: head.method,
    target: head.target,
    fields: Array.from(
      { length: head.count },
      (_, index) => [head.name(index).toLowerCase(), head.value(index)] as const,
    ),
  }
}

const SEED = Number(process.env.GATEWAY_FUZZ_SEED ?? Date.now() % 1_000_000)

const fieldName = fc.constantFrom('X-A', 'x-b', 'Accept', 'Cookie', 'User-Agent', 'X_C', 'a!#$%')
const fieldValue = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', ' ', '\t', ',', ':', ';', '"', '\xe9', '/'),
  maxLength: 12,
})
const fields = fc.array(fc.tuple(fieldName, fc.constantFrom(': ', ':', ':  ', ':\t'), fieldValue), {
  maxLength: 6,
})
const wellFormed = fc
  .tuple(
    fc.constantFrom('GET', 'PUT', 'HEAD', 'OPTIONS', 'DELETE'),
    fc.constantFrom('/', '/a/b?c=d', '/%20', '/a:b@c'),
    fields,
  )
  .map(([method, target, list]) => {
    const lines = list.map(([name, separator, value]) => `${name}${separator}${value}\r\n`).join('')
    return `${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
  })
const MUTATIONS = ['\r', '\n', '\0', ' ', '\t', ':', '\x0b', '\x7f', '\xff', 'A', '\r\n']
const mutated = fc
  .tuple(
    wellFormed,
    fc.array(fc.tuple(fc.nat(200), fc.constantFrom(...MUTATIONS), fc.boolean()), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([text, changes]) => {
    let result = text
    for (const [at, piece, replace] of changes) {
      const index = at % result.length
      result = result.slice(0, index) + piece + result.slice(index + (replace ? 1 : 0))
    }
    return result
  })

test('what our parser accepts, llhttp accepts and reads the same', async (t) => {
  t.log(`GATEWAY_FUZZ_SEED=${SEED}`)
  const settle = new Map<string, (reading: Reading | undefined) => void>()
  const server = http.createServer((request, response) => {
    const { method = '', url = '', rawHeaders } = request
    const list = rawHeaders.flatMap((name, index) =>
      index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? ''] as const] : [],
    )
    settle.get(`${request.socket.remotePort}`)?.({ method, target: url, fields: list })
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as net.AddressInfo
  let accepted = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.oneof(wellFormed, mutated), async (text) => {
      const mine = ours(text)
      if (typeof mine === 'string') {
        refused++
        return true
      }
      // Any token is a method (RFC 9110 §9.1) and clients do send raw UTF-8 paths; llhttp knows a list, and no such bytes.
      if (!http.METHODS.includes(mine.method) || /[^!-~]/.test(mine.target)) return true
      accepted++
      const theirs = await oracle(port, text, settle)
      // Stricter is allowed, laxer is not.
      return theirs !== undefined && JSON.stringify(theirs) === JSON.stringify(mine)
    }),
    { seed: SEED, numRuns: 1500 },
  )
  t.true(accepted > 300 && refused > 100, `${accepted} accepted, ${refused} refused`)
})

test('well-formed requests are accepted, whole, and in any two pieces incomplete first', (t) => {
  t.log(`GATEWAY_FUZZ_SEED=${SEED}`)
  fc.assert(
    fc.property(wellFormed, fc.nat(), (text, cut) => {
      const at = cut % text.length
      return typeof ours(text) === 'object' && ours(text.slice(0, at)) === 'incomplete'
    }),
    { seed: SEED, numRuns: 1000 },
  )
  t.pass()
})
