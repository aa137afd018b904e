import type { Query } from '../../core/query.ts'
import { toMessage } from '../../core/render.ts'
import type { Reply } from '../../core/reply.ts'
import { className, Flag, rcodeName, typeName } from '../../wire/index.ts'

export const commonFormat =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
export const combinedFormat = `${commonFormat} "{>opcode}"`

export interface Finished {
  readonly query: Query
  readonly reply: Reply
  /** octets sent */
  readonly size: number
  readonly seconds: number
}

const fields: Readonly<Record<string, (done: Finished) => string>> = {
  type: ({ query }) => typeName(query.type),
  name: ({ query }) => query.name,
  class: ({ query }) => className(query.class),
  proto: ({ query }) => query.peer.transport,
  remote: ({ query }) => bracketed(query.peer.clientAddress),
  local: ({ query }) => bracketed(query.peer.localAddress),
  port: ({ query }) => String(query.peer.clientPort),
  size: ({ query }) => String(query.size),
  rsize: ({ size }) => String(size),
  duration: ({ seconds }) => `${seconds.toFixed(9)}s`,
  rcode: ({ reply }) => rcodeName(reply.rcode),
  '>rflags': ({ query, reply }) => replyFlags(query, reply),
  '>bufsize': ({ query }) => String(query.bufferSize),
  '>do': ({ query }) => String(query.dnssecOk),
  '>id': ({ query }) => String(query.id),
  '>opcode': ({ query }) => String(query.opcode),
}

/** Turns a format with `{placeholders}` into a function; labels that are not there give '-', and what is no placeholder stays, as in CoreDNS. */
export function compileFormat(format: string): (done: Finished) => string {
  const expanded = format.replaceAll('{common}', commonFormat).replaceAll('{combined}', combinedFormat)
  const parts = expanded.split(/(\{[^{}]*\})/).map((part) => {
    if (!/^\{[^{}]*\}$/.test(part)) return () => part
    const label = part.slice(2, -1)
    if (part.startsWith('{/')) return ({ query }: Finished) => query.labels?.(label) ?? '-'
    return fields[part.slice(1, -1)] ?? (() => part)
  })
  return (done) => parts.map((part) => part(done)).join('')
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

function replyFlags(query: Query, reply: Reply): string {
  const message = toMessage(query, reply)
  const flags = [
    'qr',
    message.authoritative ? 'aa' : '',
    message.truncated ? 'tc' : '',
    (query.flags & Flag.RD) !== 0 ? 'rd' : '',
    message.recursionAvailable ? 'ra' : '',
    message.authenticData ? 'ad' : '',
    message.checkingDisabled ? 'cd' : '',
  ]
  return flags.filter((flag) => flag !== '').join(',')
}
