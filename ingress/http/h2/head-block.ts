import { encodeField } from './hpack-encoder.ts'

const SPACE = 0x20
/** gRPC servers refuse clients that do not take trailers. */
const TAKES_TRAILERS = encodeField('te', 'trailers')

/** The header block of HTTP/1.1 field lines from `at` on; those of the connection have no place in it. */
export function encodeLines(lines: string, at = 0): string {
  let block = ''
  for (let end = 0; at < lines.length; at = end + 2) {
    end = lines.indexOf('\r\n', at)
    if (end === -1) break
    const colon = lines.indexOf(':', at)
    if (colon !== -1 && colon < end) block += encodeField(lines.slice(at, colon), trimmed(lines, colon, end))
  }
  return block
}

/** What lies between a colon and the end of its line, without blanks around it. */
function trimmed(lines: string, colon: number, end: number): string {
  const start = lines.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1
  const plain = lines.charCodeAt(start) > SPACE && lines.charCodeAt(end - 1) > SPACE
  return plain ? lines.slice(start, end) : lines.slice(start, end).trim()
}

/** The header block of a request head in HTTP/1.1 form, whose first field is Host. */
export function encodeRequest(head: string, { secure }: { readonly secure: boolean }): string {
  const target = head.indexOf(' ') + 1
  const targetEnd = head.indexOf(' ', target)
  const host = head.indexOf(':', targetEnd)
  const hostEnd = head.indexOf('\r\n', host)
  return (
    encodeField(':method', head.slice(0, target - 1)) +
    encodeField(':scheme', secure ? 'https' : 'http') +
    encodeField(':path', head.slice(target, targetEnd)) +
    encodeField(':authority', trimmed(head, host, hostEnd)) +
    encodeLines(head, hostEnd + 2) +
    TAKES_TRAILERS
  )
}
