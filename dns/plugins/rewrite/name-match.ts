import { directiveError } from '../../core/setup.ts'
import { fillGroups, parseRegexp } from '../../corefile/regexp.ts'
import type { Argument } from '../../corefile/tree.ts'
import { asciiLower, canonicalName } from '../../wire/index.ts'

export type MatchKind = 'exact' | 'prefix' | 'suffix' | 'substring' | 'regex'

export const matchKinds: readonly string[] = [
  'exact',
  'prefix',
  'suffix',
  'substring',
  'regex',
] satisfies MatchKind[]

export function isMatchKind(text: string): text is MatchKind {
  return matchKinds.includes(text)
}

/** True for names (lower case, qualified) that fit. */
export type NameTest = (name: string) => boolean

/** Compiles FROM of a rule that only looks at the name. */
export function compileTest(kind: MatchKind, from: Argument): NameTest {
  const text = asciiLower(from.text)
  switch (kind) {
    case 'exact': {
      const wanted = canonicalName(text)
      return (name) => name === wanted
    }
    case 'prefix':
      return (name) => name.startsWith(text)
    case 'suffix': {
      const end = canonicalName(text)
      return (name) => name.endsWith(end)
    }
    case 'substring':
      return (name) => name.includes(text)
    case 'regex': {
      const pattern = regexpOf(from)
      return (name) => pattern.test(name)
    }
  }
}

/** Gives the new name, or undefined where the rule does not fit. */
export type NameChange = (name: string) => string | undefined

/** Compiles FROM and TO of a rule that changes names. */
export function compileChange(kind: MatchKind, from: Argument, to: Argument): NameChange {
  const text = asciiLower(from.text)
  const target = asciiLower(to.text)
  switch (kind) {
    case 'exact': {
      const wanted = canonicalName(text)
      const replacement = canonicalName(target)
      return (name) => (name === wanted ? replacement : undefined)
    }
    case 'prefix':
      return (name) => (name.startsWith(text) ? canonicalName(target + name.slice(text.length)) : undefined)
    case 'suffix': {
      const end = canonicalName(text)
      const replacement = canonicalName(target)
      return (name) =>
        name.endsWith(end) ? name.slice(0, name.length - end.length) + replacement : undefined
    }
    case 'substring':
      return (name) => (name.includes(text) ? canonicalName(name.replaceAll(text, target)) : undefined)
    case 'regex': {
      const pattern = regexpOf(from)
      return (name) => {
        const match = pattern.exec(name)
        return match === null ? undefined : canonicalName(fillGroups(to.text, match))
      }
    }
  }
}

/** The regular expression of an argument. Throws CorefileError. */
export function regexpOf(argument: Argument): RegExp {
  const pattern = parseRegexp(argument.text)
  if (pattern === undefined)
    throw directiveError(argument, 'rewrite', `'${argument.text}' is no regular expression`)
  return pattern
}
