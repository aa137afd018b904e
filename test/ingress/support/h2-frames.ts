import net from 'node:net'

/** HTTP/2 frames by hand, for what no client library would send. */

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frameOf(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  // HPACK integers beyond 126 take more bytes (RFC 7541 §5.1).
  const rest = bytes.length - 127
  const length = rest < 0 ? [bytes.length] : rest < 128 ? [127, rest] : [127, (rest & 127) | 128, rest >> 7]
  return Buffer.concat([Buffer.from(length), bytes])
}

export type Fields = readonly (readonly [name: string, value: string])[]

/** A header block of literals. */
export function blockOf(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

/** One request on a connection of its own: HEADERS as literals, then perhaps DATA. Resolves with the status, 0 if there is none. */
export function sendHttp2(port: number, fields: Fields, body?: string): Promise<number> {
  const block = blockOf(fields)
  const end = body === undefined ? 1 : 0
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(preface)
    socket.write(frameOf(4, 0, 0, Buffer.alloc(0)))
    socket.write(frameOf(1, 4 | end, 1, block))
    if (body !== undefined) socket.write(frameOf(0, 1, 1, Buffer.from(body, 'latin1')))
    let held = Buffer.alloc(0)
    const finish = (status: number) => {
      socket.destroy()
      resolve(status)
    }
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
        const size = held.readUIntBE(0, 3)
        const [type, payload] = [held[3], held.subarray(9, 9 + size)]
        held = held.subarray(9 + size)
        if (type === 1) return finish(statusOf(payload))
        // RST_STREAM, GOAWAY
        if (type === 3 || type === 7) return finish(0)
      }
    })
    socket.on('error', () => finish(0))
    socket.on('close', () => finish(0))
  })
}

/** The status of a response head: the first field, indexed or a literal under index 8 (RFC 7541, appendix A). */
function statusOf(block: Buffer): number {
  const first = block[0] ?? 0
  const indexed = [200, 204, 206, 304, 400, 404, 500][(first & 127) - 8]
  if (first >= 128) return indexed ?? 1
  return 1
}
