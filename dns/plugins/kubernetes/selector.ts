import type { StringMap } from '#watch'

export type Selector = (labels: StringMap) => boolean

/**
 * A label selector in kubectl's form: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Undefined if it cannot be read.
 */
export function parseSelector(text: string): Selector | undefined {
  const checks: Selector[] = []
  for (const part of text.split(/,(?![^(]*\))/).map((piece) => piece.trim())) {
    const check = requirement(part)
    if (check === undefined) return undefined
    checks.push(check)
  }
  return (labels) => checks.every((check) => check(labels))
}

const key = '[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?'

function requirement(text: string): Selector | undefined {
  const set = new RegExp(`^(?<key>${key})\\s+(?<verb>in|notin)\\s+\\((?<values>[^()]*)\\)$`).exec(
    text,
  )?.groups
  if (set !== undefined) {
    const values = (set['values'] ?? '').split(',').map((value) => value.trim())
    const name = set['key'] ?? ''
    if (set['verb'] === 'in')
      return (labels) => Object.hasOwn(labels, name) && values.includes(labels[name] ?? '')
    return (labels) => !Object.hasOwn(labels, name) || !values.includes(labels[name] ?? '')
  }
  const equal = new RegExp(`^(?<key>${key})\\s*(?<verb>==|=|!=)\\s*(?<value>[-A-Za-z0-9_.]*)$`).exec(
    text,
  )?.groups
  if (equal !== undefined) {
    const name = equal['key'] ?? ''
    const value = equal['value'] ?? ''
    if (equal['verb'] === '!=') return (labels) => labels[name] !== value
    return (labels) => labels[name] === value
  }
  const exists = new RegExp(`^(?<not>!?)\\s*(?<key>${key})$`).exec(text)?.groups
  if (exists === undefined) return undefined
  const name = exists['key'] ?? ''
  return exists['not'] === '!'
    ? (labels) => !Object.hasOwn(labels, name)
    : (labels) => Object.hasOwn(labels, name)
}
