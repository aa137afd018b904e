/** Queries in short: 'www.example.org. MX +do +size=1232 +tcp'. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { classNumber, type Edns, encodeMessage, Type, typeNumber } from '../../../dns/wire/index.ts'
import { queryFor } from '../support/index.ts'

/** The octets of a query and how to send it. */
export interface Question {
  readonly text: string
  readonly octets: Uint8Array
  readonly tcp: boolean
}

/**
 * Reads a query: NAME TYPE and words of + each. `+edns`, `+do`, `+size=N`, `+version=N`, `+opt=CODE:HEX` (EDNS); `+tcp`,
 * `+norec`, `+cd`, `+ad`, `+class=CH`, `+opcode=N`. A name without a final dot gets one.
 */
export function question(text: string): Question {
  const [name = '', type = '', ...words] = text.split(' ')
  const value = (word: string): string | undefined =>
    words.find((one) => one.startsWith(`+${word}=`))?.slice(word.length + 2)
  const has = (word: string): boolean => words.includes(`+${word}`)
  const options = words
    .filter((one) => one.startsWith('+opt='))
    .map((one) => {
      const [code = '', data = ''] = one.slice(5).split(':')
      return { code: Number(code), data: Buffer.from(data, 'hex') }
    })
  const size = value('size')
  const wantsEdns =
    has('edns') || has('do') || size !== undefined || options.length > 0 || value('version') !== undefined
  const edns: Edns | undefined = wantsEdns
    ? { udpSize: Number(size ?? 4096), version: Number(value('version') ?? 0), dnssecOk: has('do'), options }
    : undefined
  const opcode = Number(value('opcode') ?? 0)
  const number = typeNumber(type)
  if (number === undefined) throw new Error(`'${text}': '${type}' is no type`)
  const qualified = name.endsWith('.') ? name : `${name}.`
  const octets = encodeMessage(
    queryFor(qualified, number, {
      id: 4711,
      opcode,
      recursionDesired: !has('norec'),
      checkingDisabled: has('cd'),
      authenticData: has('ad'),
      questions: [{ name: qualified, type: number, class: classNumber(value('class') ?? 'IN') ?? 1 }],
      edns,
    }),
  )
  return { text, octets, tcp: has('tcp') || number === Type.AXFR }
}

/** Sends a query; resolves with every message of the answer (one, but for transfers), none after `timeoutMs` of silence. */
export function send(port: number, query: Question, timeoutMs = 8000): Promise<Buffer[]> {
  return query.tcp ? overTcp(port, query.octets, timeoutMs) : overUdp(port, query.octets, timeoutMs)
}

async function overUdp(port: number, octets: Uint8Array, timeoutMs: number): Promise<Buffer[]> {
  const socket = createSocket('udp4')
  try {
    socket.send(octets, port, '127.0.0.1')
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })) as [Buffer]
    return [reply]
  } catch {
    return []
  } finally {
    socket.close()
  }
}

/** A transfer ends with the second SOA; what that is is left to the reader: silence of half a second ends it here. */
async function overTcp(port: number, octets: Uint8Array, timeoutMs: number): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1')
  const head = Buffer.alloc(2)
  head.writeUInt16BE(octets.length)
  const replies: Buffer[] = []
  let buffered = Buffer.alloc(0)
  return await new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(replies)
    }
    let timer = setTimeout(end, timeoutMs)
    socket.on('error', end)
    socket.on('close', end)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
        const to = 2 + buffered.readUInt16BE(0)
        replies.push(Buffer.from(buffered.subarray(2, to)))
        buffered = buffered.subarray(to)
      }
      if (replies.length === 0) return
      clearTimeout(timer)
      const transfer = octets.at(-3) === 252
      timer = setTimeout(end, transfer ? 500 : 0)
    })
    socket.write(Buffer.concat([head, octets]))
  })
}

/** Every name (a list, or a text of words) with every type (a text of words), each with `words` behind it. */
export function each(
  names: readonly string[] | string,
  types: string,
  ...words: readonly string[]
): string[] {
  const tails = words.length === 0 ? [''] : words
  const list = typeof names === 'string' ? names.split(/\s+/) : names
  return list.flatMap((name) =>
    types.split(' ').flatMap((type) => tails.map((tail) => `${name} ${type} ${tail}`.trim())),
  )
}
