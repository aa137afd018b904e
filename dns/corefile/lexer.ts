import type { Position } from '../errors.ts'

/** One word of a Corefile. */
export interface Token extends Position {
  readonly text: string
  /** '{' or '}' as structure: written bare, not quoted and not from the environment */
  readonly brace: '{' | '}' | undefined
  /** Equal for tokens of one logical line; unique over all files, so that imported lines never join others. */
  readonly row: number
}

let rows = 0

/** A number no token has as its row yet. */
export function newRow(): number {
  rows += 1
  return rows
}

/**
 * Splits text into tokens: at white space; `"` at the start of a token quotes up to the next `"` that has no backslash
 * before it (newlines included; only `\"` is an escape); `#` outside quotes starts a comment, even inside a word.
 * References to the environment are replaced: `{%NAME%}` and `{$NAME}`; a variable that is not set gives nothing.
 */
export function tokenize(text: string, file: string, environment: NodeJS.ProcessEnv = {}): Token[] {
  const tokens: Token[] = []
  let line = 1
  let row = newRow()
  let position = text.charCodeAt(0) === 0xfeff ? 1 : 0
  while (position < text.length) {
    const character = text[position] as string
    if (character === '\n') {
      line += 1
      row = newRow()
      position += 1
    } else if (/\s/.test(character)) {
      position += 1
    } else if (character === '#') {
      position = endOfLine(text, position)
    } else if (character === '"') {
      const quoted = readQuoted(text, position + 1)
      tokens.push({ text: replaceEnvironment(quoted.text, environment), brace: undefined, file, line, row })
      line += quoted.lines
      position = quoted.next
    } else {
      const start = position
      while (position < text.length && !/[\s#]/.test(text[position] as string)) position += 1
      const word = text.slice(start, position).replaceAll('\r', '')
      const brace = word === '{' || word === '}' ? word : undefined
      tokens.push({ text: brace ?? replaceEnvironment(word, environment), brace, file, line, row })
    }
  }
  return tokens
}

function endOfLine(text: string, position: number): number {
  const end = text.indexOf('\n', position)
  return end < 0 ? text.length : end
}

function readQuoted(text: string, start: number): { text: string; next: number; lines: number } {
  let out = ''
  let lines = 0
  let position = start
  for (; position < text.length; position += 1) {
    const character = text[position] as string
    if (character === '\\' && text[position + 1] === '"') {
      out += '"'
      position += 1
    } else if (character === '"') {
      return { text: out, next: position + 1, lines }
    } else if (character !== '\r') {
      if (character === '\n') lines += 1
      out += character
    }
  }
  return { text: out, next: position, lines }
}

/** Replaces `{%NAME%}`, then `{$NAME}`. */
export function replaceEnvironment(text: string, environment: NodeJS.ProcessEnv): string {
  if (!text.includes('{')) return text
  const value = (_: string, name: string): string => environment[name] ?? ''
  return text.replace(/\{%([^{}%]+)%\}/g, value).replace(/\{\$([^{}]+)\}/g, value)
}
