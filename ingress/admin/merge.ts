import { isObject, type JsonObject } from '../objects/index.ts'

/** PATCH on an object: maps merge, null deletes, everything else replaces. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  const merged: JsonObject = { ...target }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else if (isObject(value) && isObject(merged[name])) merged[name] = merge(merged[name], value)
    else merged[name] = isObject(value) ? merge({}, value) : value
  }
  return merged
}

const UNSAFE = new Set(['__proto__', 'constructor', 'prototype'])

/** PATCH on a sub-path: sets what is there; undefined if the path leads through something that is not a map. */
export function setAt(target: JsonObject, path: readonly string[], value: unknown): JsonObject | undefined {
  const copy = structuredClone(target)
  let at: JsonObject = copy
  for (const [index, name] of path.entries()) {
    if (UNSAFE.has(name)) return undefined
    if (index === path.length - 1) {
      if (value === null) delete at[name]
      else at[name] = value
      return copy
    }
    at[name] ??= {}
    const next = at[name]
    if (!isObject(next)) return undefined
    at = next
  }
  return undefined
}
