/** A raw object as the API server keeps it. */
export interface RawObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
    readonly labels?: Readonly<Record<string, string>>
    readonly [more: string]: unknown
  }
  readonly [more: string]: unknown
}

export type Matches = (object: RawObject) => boolean

/** `a.b=x,c!=y` over the fields of an object; missing fields are ''. */
export function fieldSelector(text: string): Matches {
  const terms = text.split(',').filter((term) => term !== '')
  const checks = terms.map((term): Matches => {
    const [, path = '', operator = '=', value = ''] = /^([^!=]+)(!=|==?)(.*)$/.exec(term) ?? []
    return (object) => (fieldAt(object, path) === value) === (operator !== '!=')
  })
  return (object) => checks.every((check) => check(object))
}

function fieldAt(object: RawObject, path: string): string {
  let value: unknown = object
  for (const part of path.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined
  }
  return value === undefined || value === null ? '' : String(value)
}

/** Equality-based and set-based requirements: `a=x,b!=y,c,!d,e in (x,y),f notin (z)`. */
export function labelSelector(text: string): Matches {
  const terms = text.match(/[^,(]+(\([^)]*\))?/g) ?? []
  const checks = terms.map((raw): Matches => {
    const term = raw.trim()
    const set = /^(\S+) (in|notin) \(([^)]*)\)$/.exec(term)
    if (set !== null) {
      const [, key = '', operator, list = ''] = set
      const values = list.split(',').map((value) => value.trim())
      return ({ metadata }) => {
        const value = metadata.labels?.[key]
        return (value !== undefined && values.includes(value)) === (operator === 'in')
      }
    }
    const equality = /^([^!=]+)(!=|==?)(.*)$/.exec(term)
    if (equality !== null) {
      const [, key = '', operator, value] = equality
      return ({ metadata }) => (metadata.labels?.[key] === value) === (operator !== '!=')
    }
    const key = term.replace(/^!/, '')
    return ({ metadata }) => (metadata.labels?.[key] !== undefined) === !term.startsWith('!')
  })
  return (object) => checks.every((check) => check(object))
}
