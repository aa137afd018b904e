/** Answers as text that two servers can be compared by. */
import {
  asciiLower,
  className,
  decodeMessage,
  encodeMessage,
  type Message,
  type ResourceRecord,
  rcodeName,
  typeName,
} from '../../../dns/wire/index.ts'
import { queryFor } from '../support/index.ts'

/** What is not looked at in a comparison. */
export interface Leniency {
  /** TTLs may differ by this many seconds (1: a second may begin between the two queries) */
  readonly ttl?: number
  /** serial numbers of SOA records, where they are times */
  readonly serial?: boolean
  /** the records of answers that were cut: which ones fit is a matter of order */
  readonly cut?: boolean
  /** made last: whatever else has to go */
  readonly text?: (line: string) => string
}

/** The differences of two answers, empty when there are none. */
export function differences(
  ours: readonly Buffer[],
  theirs: readonly Buffer[],
  leniency: Leniency = {},
): string[] {
  const [left, right] = [describe(ours, leniency), describe(theirs, leniency)]
  const found: string[] = []
  for (const line of left) if (!takeOut(right, line, leniency.ttl ?? 1)) found.push(`ours   ${line}`)
  return [...found, ...right.map((line) => `theirs ${line}`)]
}

/** Removes a line like `line`, with about the same TTL; false if there is none. */
function takeOut(lines: string[], line: string, tolerance: number): boolean {
  const [text, ttl] = split(line)
  const at = lines.findIndex((other) => {
    const [otherText, otherTtl] = split(other)
    return otherText === text && Math.abs(otherTtl - ttl) <= tolerance
  })
  if (at < 0) return false
  lines.splice(at, 1)
  return true
}

function split(line: string): [string, number] {
  const ttl = / ttl=(\d+)/.exec(line)
  return [line.replace(/ ttl=\d+/, ''), Number(ttl?.[1] ?? 0)]
}

/** A line for the head, one for each record, one for OPT. */
export function describe(replies: readonly Buffer[], leniency: Leniency = {}): string[] {
  if (replies.length === 0) return ['no answer']
  const messages = replies.map((octets) => decodeMessage(octets))
  const [first] = messages as [Message]
  const cut = leniency.cut === true && first.truncated
  const sections = (['answer', 'authority', 'additional'] as const).flatMap((section) => {
    const records = messages.flatMap((message) => message[section])
    if (cut) return []
    return records.map((record) => `${section}: ${recordText(record, leniency)}`)
  })
  const lines = [head(first), ...sections, opt(first)]
  return leniency.text === undefined ? lines : lines.map(leniency.text)
}

function head(m: Message): string {
  const flags = [
    m.response && 'qr',
    m.authoritative && 'aa',
    m.truncated && 'tc',
    m.recursionDesired && 'rd',
    m.recursionAvailable && 'ra',
    m.authenticData && 'ad',
    m.checkingDisabled && 'cd',
  ].filter((flag) => flag !== false)
  const questions = m.questions.map((q) => `${q.name} ${className(q.class)} ${typeName(q.type)}`)
  return `head: opcode ${m.opcode} ${rcodeName(m.rcode)} [${flags.join(' ')}] id ${m.id} ? ${questions.join(', ')}`
}

function opt({ edns }: Message): string {
  if (edns === undefined) return 'opt: none'
  const options = edns.options.map(({ code, data }) => `${code}:${Buffer.from(data).toString('hex')}`).sort()
  return `opt: v${edns.version} size ${edns.udpSize}${edns.dnssecOk ? ' do' : ''} ${options.join(' ')}`
}

function recordText(record: ResourceRecord, leniency: Leniency): string {
  const { name, type, class: cls, ttl } = record
  const shown = record.kind === 'soa' && leniency.serial === true ? { ...record, serial: 0 } : record
  return `${asciiLower(name)} ttl=${ttl} ${className(cls)} ${typeName(type)} ${data(shown)}`
}

/** The data in a form that says everything, names in lower case: fields by name, or the octets. */
function data(record: ResourceRecord): string {
  switch (record.kind) {
    case 'address':
      return record.address
    case 'raw':
      return Buffer.from(record.rdata).toString('hex')
    default: {
      const { name: _name, type: _type, class: _class, ttl: _ttl, kind: _kind, ...fields } = record
      return Object.values(fields)
        .map((value) =>
          Array.isArray(value)
            ? value.map((one) => JSON.stringify(one)).join(' ')
            : asciiLower(String(value)),
        )
        .join(' ')
    }
  }
}

/** A NOTIFY or other message with an answer section, for odd queries. */
export function oddQuery(change: Partial<Message>): Uint8Array {
  return encodeMessage(queryFor('example.org.', 1, change))
}
