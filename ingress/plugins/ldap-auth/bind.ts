import net from 'node:net'
import tls from 'node:tls'

const TIMEOUT_MS = 10_000
const ANSWER_LIMIT = 64 * 1024
/** Tags of RFC 4511 §4.2 that are not universal ones of BER. */
const BIND_REQUEST = 0x60
const BIND_RESPONSE = 0x61
const SIMPLE = 0x80
const SEQUENCE = 0x30
const INTEGER = 0x02
const ENUMERATED = 0x0a
const OCTETS = 0x04
const SUCCESS = 0
const INVALID_CREDENTIALS = 49
const NO_SUCH_OBJECT = 32

export interface LdapServer {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly verify: boolean
}

/** A value in BER with its tag and length. */
function ber(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 0x80 ? [tag, length] : [tag, 0x84, 0, 0, 0, 0]
  const encoded = Buffer.from(head)
  if (length >= 0x80) encoded.writeUInt32BE(length, 2)
  return Buffer.concat([encoded, content])
}

function bindRequest(dn: string, password: string): Buffer {
  const version = ber(INTEGER, Buffer.from([3]))
  const request = [version, ber(OCTETS, Buffer.from(dn)), ber(SIMPLE, Buffer.from(password))]
  return ber(
    SEQUENCE,
    Buffer.concat([ber(INTEGER, Buffer.from([1])), ber(BIND_REQUEST, Buffer.concat(request))]),
  )
}

/** The value at an offset; undefined if not all of it is there. */
function valueAt(bytes: Buffer, at: number): { tag: number; from: number; end: number } | undefined {
  if (at + 2 > bytes.length) return undefined
  const tag = bytes.readUInt8(at)
  const first = bytes.readUInt8(at + 1)
  const more = first < 0x80 ? 0 : first & 0x7f
  if (more > 4) throw new Error('the answer is no LDAP message')
  if (at + 2 + more > bytes.length) return undefined
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more)
  const from = at + 2 + more
  return from + length > bytes.length ? undefined : { tag, from, end: from + length }
}

/** The result code of a bind response; undefined while it is not complete. Throws if it is something else. */
function resultCode(bytes: Buffer): number | undefined {
  const message = valueAt(bytes, 0)
  if (message === undefined) return undefined
  const id = valueAt(bytes, message.from)
  const response = id === undefined ? undefined : valueAt(bytes, id.end)
  const code = response === undefined ? undefined : valueAt(bytes, response.from)
  if (response?.tag !== BIND_RESPONSE || code?.tag !== ENUMERATED) throw new Error('no answer to a bind')
  return bytes.readUIntBE(code.from, code.end - code.from)
}

/**
 * Whether the server takes the password for the name (a simple bind, RFC 4511 §4.2). An empty password never is one: servers
 * answer success to a bind without (RFC 4513 §5.1.2). Rejects if the server cannot be asked.
 */
export function bind(server: LdapServer, dn: string, password: string): Promise<boolean> {
  if (password === '') return Promise.resolve(false)
  const { host, port, secure, verify } = server
  return new Promise((resolve, reject) => {
    const servername = net.isIP(host) === 0 ? { servername: host } : {}
    const socket = secure
      ? tls.connect({ host, port, rejectUnauthorized: verify, ...servername })
      : net.connect({ host, port })
    const settle = (done: () => void) => {
      socket.destroy()
      done()
    }
    const fail = (error: Error) => settle(() => reject(error))
    let received = Buffer.alloc(0)
    socket.setTimeout(TIMEOUT_MS, () => fail(new Error(`${host}:${port} does not answer`)))
    socket.on('error', fail)
    socket.on('close', () => reject(new Error(`${host}:${port} closed the connection`)))
    socket.once(secure ? 'secureConnect' : 'connect', () => socket.write(bindRequest(dn, password)))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      try {
        const code = resultCode(received)
        if (code === SUCCESS) settle(() => resolve(true))
        else if (code === INVALID_CREDENTIALS || code === NO_SUCH_OBJECT) settle(() => resolve(false))
        else if (code !== undefined) fail(new Error(`${host}:${port} answers with result code ${code}`))
        else if (received.length > ANSWER_LIMIT) fail(new Error(`${host}:${port} answers too much`))
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
  })
}

/** A value within a distinguished name (RFC 4514 §2.4): a user name cannot lead elsewhere in the tree. */
export function escapeDn(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ')
}
