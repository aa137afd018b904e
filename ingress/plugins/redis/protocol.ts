/** An answer of a Redis server. Errors are values: a pipeline goes on after one. */
export type Reply = string | number | null | RedisReplyError | readonly Reply[]

export class RedisReplyError extends Error {
  readonly code = 'GW_REDIS_REPLY'
}

/** A command as RESP wants it: an array of bulk strings. */
export function encodeCommand(parts: readonly (string | number)[]): string {
  let text = `*${parts.length}\r\n`
  for (const part of parts) {
    const one = String(part)
    text += `$${Buffer.byteLength(one)}\r\n${one}\r\n`
  }
  return text
}

/** Cuts a stream of RESP2 answers (redis.io, "Redis serialization protocol") into replies. */
export class ReplyReader {
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  push(chunk: Buffer): Reply[] {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    const replies: Reply[] = []
    for (;;) {
      this.#at = 0
      const reply = this.#next()
      if (reply === undefined) return replies
      this.#buffer = this.#buffer.subarray(this.#at)
      replies.push(reply)
    }
  }

  /** undefined: not complete yet. */
  #next(): Reply | undefined {
    const end = this.#buffer.indexOf('\r\n', this.#at)
    if (end === -1) return undefined
    const type = String.fromCharCode(this.#buffer[this.#at] ?? 0)
    const line = this.#buffer.toString('utf8', this.#at + 1, end)
    this.#at = end + 2
    switch (type) {
      case '+':
        return line
      case '-':
        return new RedisReplyError(line)
      case ':':
        return Number(line)
      case '$':
        return this.#bulk(Number(line))
      case '*':
        return this.#array(Number(line))
      default:
        throw new RedisReplyError(
          `not an answer of a Redis server: ${JSON.stringify(type + line.slice(0, 40))}`,
        )
    }
  }

  #bulk(length: number): string | null | undefined {
    if (length < 0) return null
    const start = this.#at
    if (this.#buffer.length < start + length + 2) return undefined
    this.#at = start + length + 2
    return this.#buffer.toString('utf8', start, start + length)
  }

  #array(count: number): Reply | undefined {
    if (count < 0) return null
    const items: Reply[] = []
    for (let index = 0; index < count; index++) {
      const item = this.#next()
      if (item === undefined) return undefined
      items.push(item)
    }
    return items
  }
}
