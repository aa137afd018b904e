import { readU16 } from './reader.ts'

/** Names of the attributes of a message, for errors only: `any` describes the members of a list. */
export interface Schema {
  readonly names: Readonly<Record<number, string>>
  readonly nested?: Readonly<Record<number, Schema>> | undefined
  readonly any?: Schema | undefined
}

/**
 * Path of the attribute that holds the byte `offset` of the message at `start`, e.g. 'IFLA_LINKINFO.IFLA_INFO_KIND'.
 * `header` is the length of everything before the first attribute. Undefined when there is none.
 */
export function nameAttribute(
  bytes: Uint8Array,
  message: { start: number; end: number; header: number },
  offset: number,
  schema: Schema,
): string | undefined {
  const target = message.start + offset
  const path: string[] = []
  let at = message.start + message.header
  let end = message.end
  let level: Schema | undefined = schema
  while (end - at >= 4) {
    const length = readU16(bytes, at)
    if (length < 4 || at + length > end) break
    const next = at + ((length + 3) & ~3)
    if (target >= next) {
      at = next
      continue
    }
    if (target < at) break
    const raw = readU16(bytes, at + 2)
    const type = raw & 0x3fff
    path.push(level?.names[type] ?? `#${type}`)
    if (target === at) break
    level = level?.nested?.[type] ?? level?.any
    if (level === undefined) break
    end = at + length
    at += 4
  }
  return path.length === 0 ? undefined : path.join('.')
}
