import { isObject } from '../objects/index.ts'

/** A text or number in a JSON object; undefined if the text is none or has no such field. */
export function jsonField(text: string, name: string): string | undefined {
  try {
    const content: unknown = JSON.parse(text)
    const value = isObject(content) ? content[name] : undefined
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
  } catch {
    return undefined
  }
}
