const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const LONGEST = 32_768

/**
 * The server name of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3) in lower case, without taking part in the handshake: ''
 * if it names none, 'incomplete' while bytes are missing, undefined if this is no TLS.
 */
export function serverNameOf(bytes: Buffer): { readonly name: string } | 'incomplete' | undefined {
  const handshake = handshakeBytes(bytes)
  if (handshake === 'incomplete' || handshake === undefined) return handshake
  try {
    const name = nameIn(handshake)
    return name === undefined ? undefined : { name }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** The ClientHello, put together from the records it is cut into. */
function handshakeBytes(bytes: Buffer): Buffer | 'incomplete' | undefined {
  const pieces: Buffer[] = []
  let size = 0
  let pos = 0
  while (pos < bytes.length) {
    if (bytes[pos] !== HANDSHAKE || (pos + 1 < bytes.length && bytes[pos + 1] !== 3)) return undefined
    if (pos + 5 > bytes.length) break
    const end = pos + 5 + bytes.readUInt16BE(pos + 3)
    const piece = bytes.subarray(pos + 5, Math.min(end, bytes.length))
    pieces.push(piece)
    size += piece.length
    pos = end
    const whole = size < 4 ? undefined : pieces.length === 1 ? piece : Buffer.concat(pieces)
    if (whole === undefined) continue
    if (whole[0] !== CLIENT_HELLO || whole.readUIntBE(1, 3) > LONGEST) return undefined
    const length = 4 + whole.readUIntBE(1, 3)
    if (whole.length >= length) return whole.subarray(4, length)
  }
  return 'incomplete'
}

function nameIn(hello: Buffer): string | undefined {
  // legacy_version, random, session_id, cipher_suites, compression_methods
  let pos = 34
  pos += 1 + hello.readUInt8(pos)
  pos += 2 + hello.readUInt16BE(pos)
  pos += 1 + hello.readUInt8(pos)
  if (pos === hello.length) return ''
  const end = pos + 2 + hello.readUInt16BE(pos)
  pos += 2
  while (pos < end) {
    const type = hello.readUInt16BE(pos)
    const length = hello.readUInt16BE(pos + 2)
    pos += 4
    if (type === SERVER_NAME) {
      const nameLength = hello.readUInt16BE(pos + 3)
      if (hello.readUInt8(pos + 2) !== 0 || pos + 5 + nameLength > hello.length) return undefined
      return hello.toString('latin1', pos + 5, pos + 5 + nameLength).toLowerCase()
    }
    pos += length
  }
  return ''
}
