// Byte classes of RFC 9110 §5.6.2 (token) and RFC 9112 §3 and §5 as lookup tables: one load per byte in the parser.

export const CR = 0x0d
export const LF = 0x0a
export const SP = 0x20
export const HTAB = 0x09
export const COLON = 0x3a

function table(accept: (byte: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) bytes[byte] = accept(byte) ? 1 : 0
  return bytes
}

const TOKEN_MARKS = "!#$%&'*+-.^_`|~"

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}

/** tchar: methods and field names. */
export const TOKEN = table((byte) => isAlphanumeric(byte) || TOKEN_MARKS.includes(String.fromCharCode(byte)))

/** field-vchar, SP, HTAB and obs-text; never CR, LF, NUL or another control byte. */
export const VALUE = table((byte) => byte === HTAB || (byte >= 0x20 && byte !== 0x7f))

/** Bytes of a request target. '#' is refused: a fragment never travels, and servers disagree on what to do with one. */
export const TARGET = table((byte) => byte > 0x20 && byte !== 0x7f && byte !== 0x23)

/** Bytes of a Host value: reg-name, IP literal and port; no path, user info or blank. */
export const HOST = table(
  (byte) => isAlphanumeric(byte) || "-._~%!$&'()*+,;=:[]".includes(String.fromCharCode(byte)),
)

/** Value of a hexadecimal digit, 255 for everything else. */
export const HEX = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16)
  HEX[text.charCodeAt(0)] = digit
  HEX[text.toUpperCase().charCodeAt(0)] = digit
}
