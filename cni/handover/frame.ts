/**
 * What goes over the agent's CNI socket, made to be written and read by a hundred lines of C as well:
 *
 *     request:  PLEXUS-CNI/1 <type> <host netns inode> <length of environment> <length of stdin>\n
 *               NAME=value\0 ... (environment), stdin
 *     reply:    PLEXUS-CNI/1 <exit code> <length of stdout> <length of stderr>\n stdout stderr
 *
 * An exit code of 254 (`refused`) means: do it yourself, this agent cannot (it lives in another network namespace, or
 * is about to stop); nothing has been done.
 */
export const magic = 'PLEXUS-CNI/1'
export const refused = 254
/** A configuration of a megabyte is a mistake; the limit protects the agent. */
export const maximumBytes = 1 << 20
const maximumHead = 256

export interface RequestFrame {
  readonly type: string
  readonly netns: string
  readonly environment: Readonly<Record<string, string>>
  readonly stdin: string
}

export interface ReplyFrame {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export function encodeRequest({ type, netns, environment, stdin }: RequestFrame): Buffer {
  const variables = Buffer.from(
    Object.entries(environment)
      .map(([name, value]) => `${name}=${value}\0`)
      .join(''),
  )
  const body = Buffer.from(stdin)
  return Buffer.concat([
    Buffer.from(`${magic} ${type} ${netns} ${variables.length} ${body.length}\n`),
    variables,
    body,
  ])
}

export function encodeReply({ exitCode, stdout, stderr }: ReplyFrame): Buffer {
  const out = Buffer.from(stdout)
  const err = Buffer.from(stderr)
  return Buffer.concat([Buffer.from(`${magic} ${exitCode} ${out.length} ${err.length}\n`), out, err])
}

/** The request in `bytes`; undefined while it is incomplete; throws on anything that cannot become one. */
export function decodeRequest(bytes: Buffer): RequestFrame | undefined {
  const frame = splitFrame(bytes, 4)
  if (frame === undefined) return undefined
  const [type = '', netns = ''] = frame.words
  if (!/^[a-z0-9-]{1,32}$/.test(type)) throw new Error('malformed CNI request: plugin type')
  const environment: Record<string, string> = {}
  for (const variable of frame.first.split('\0')) {
    const equals = variable.indexOf('=')
    if (equals > 0) environment[variable.slice(0, equals)] = variable.slice(equals + 1)
  }
  return { type, netns, environment, stdin: frame.second }
}

/** The reply in `bytes`; undefined while it is incomplete. */
export function decodeReply(bytes: Buffer): ReplyFrame | undefined {
  const frame = splitFrame(bytes, 3)
  if (frame === undefined) return undefined
  return { exitCode: Number(frame.words[0]), stdout: frame.first, stderr: frame.second }
}

/** A frame is a line of words of which the last two are the lengths of the two parts that follow. */
function splitFrame(
  bytes: Buffer,
  wordCount: number,
): { words: string[]; first: string; second: string } | undefined {
  const newline = bytes.subarray(0, maximumHead).indexOf(10)
  if (newline < 0) {
    if (bytes.length >= maximumHead) throw new Error('malformed CNI frame: no head line')
    return undefined
  }
  const [version, ...words] = bytes.toString('latin1', 0, newline).split(' ')
  if (version !== magic || words.length !== wordCount) throw new Error('malformed CNI frame: unknown version')
  const [firstLength = 0, secondLength = 0] = words
    .splice(-2)
    .map((word) => (/^\d{1,7}$/.test(word) ? Number(word) : NaN))
  const total = firstLength + secondLength
  if (!(total <= maximumBytes)) throw new Error(`malformed CNI frame: larger than ${maximumBytes} bytes`)
  const start = newline + 1
  if (bytes.length < start + total) return undefined
  return {
    words,
    first: bytes.toString('utf8', start, start + firstLength),
    second: bytes.toString('utf8', start + firstLength, start + total),
  }
}
