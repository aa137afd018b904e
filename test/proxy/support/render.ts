import { chainElements } from '../../../proxy/model/chains.ts'
import { type Elements, SETS, shapeOf } from '../../../proxy/model/sets.ts'

/**
 * Elements as a person would write them, sorted: `service-ips 10.96.0.10 TCP 80 = goto cluster-2 # shop/catalog`. The map
 * `chains` is not listed: its numbers are written as the verdicts they stand for.
 */
export function render(elements: Iterable<[string, string]>, family: 4 | 6 = 4): string[] {
  const all = [...elements]
  const isChain = ([key]: [string, string]): boolean => key.startsWith(SETS.chains.code)
  const verdicts = new Map(all.filter(isChain).map(([key, verdict]) => [key.slice(1), verdict]))
  return all
    .filter((element) => !isChain(element))
    .map(([key, data]) => renderElement(key, data, { family, verdicts }))
    .sort()
}

function renderElement(
  key: string,
  data: string,
  { family, verdicts }: { family: 4 | 6; verdicts: ReadonlyMap<string, string> },
): string {
  const shape = shapeOf(key)
  const left = `${shape.name} ${renderParts(key.slice(1), shape.key, family)}`
  if (shape.interval) return `${left} .. ${renderParts(data, shape.key, family)}`
  if (shape.commented)
    return shape.data === undefined
      ? `${left} # ${data}`
      : `${left} = ${verdicts.get(data.slice(0, 4)) ?? 'no chain'} # ${data.slice(4)}`
  if (shape.data === undefined || shape.data === 'verdict') return left
  return `${left} = ${renderParts(data, shape.data, family)}`
}

function renderParts(bytes: string, parts: readonly string[], family: 4 | 6): string {
  const buffer = Buffer.from(bytes, 'latin1')
  let offset = 0
  const texts = parts.map((part) => {
    const start = offset
    offset += part === 'address' && family === 6 ? 16 : 4
    if (part === 'address') return address(buffer.subarray(start, offset))
    if (part === 'inet_proto') return { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }[buffer.readUInt8(start)] ?? '?'
    if (part === 'inet_service') return String(buffer.readUInt16BE(start))
    const mark = buffer.readUInt32LE(start)
    return mark >= 0x8000_0000 ? 'sticky' : mark >= 0x1_0000 ? `L${mark - 0x1_0000}` : String(mark)
  })
  if (offset !== buffer.length) throw new Error(`element of ${buffer.length} bytes, expected ${offset}`)
  return texts.join(' ')
}

function address(bytes: Buffer): string {
  return bytes.length === 4 ? bytes.join('.') : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
}

export function merged(rules: {
  frontends: ReadonlyMap<string, Elements>
  shared: Elements
  targets: ReadonlyMap<string, string>
}): [string, string][] {
  const own = [...rules.frontends.values()].flatMap((elements) => [...elements])
  return [...own, ...rules.shared, ...chainElements(rules.targets.values())]
}
