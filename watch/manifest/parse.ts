import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseAllDocuments,
  parseDocument,
} from 'yaml'
import type { FieldPath } from '../objects/field.ts'

/** Lines and columns count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One Kubernetes object as it stands in a file; items of a List count each. */
export interface ManifestDocument {
  readonly raw: unknown
  start(): Position
  /** where a field stands, or the nearest part above it which exists */
  locate(path: FieldPath): Position
}

export interface SyntaxProblem extends Position {
  readonly message: string
}

export interface ParsedManifest {
  readonly documents: readonly ManifestDocument[]
  /** not empty: the file as a whole cannot be trusted */
  readonly errors: readonly SyntaxProblem[]
}

/** Parses a manifest file, YAML or JSON. Never throws. */
export function parseManifest(text: string): ParsedManifest {
  return /^\s*\{/.test(text) ? (parseJson(text) ?? parseYaml(text)) : parseYaml(text)
}

/**
 * One JSON document, many times cheaper than as the YAML it also is; undefined for anything else. Where something stands
 * in it is found out, by way of YAML, when somebody asks.
 */
function parseJson(text: string): ParsedManifest | undefined {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return undefined
  }
  let place: ((path: FieldPath) => Position) | undefined
  const locate = (path: FieldPath): Position => {
    place ??= locateIn(text)
    return place(path)
  }
  const documents: ManifestDocument[] = []
  flatten(raw, [], documents, (prefix) => ({
    start: () => locate(prefix),
    locate: (path) => locate([...prefix, ...path]),
  }))
  return { documents, errors: [] }
}

function locateIn(text: string): (path: FieldPath) => Position {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'silent' })
  return (path) => positionAt(lineCounter, offsetOf(document as Document.Parsed, path))
}

function parseYaml(text: string): ParsedManifest {
  const lineCounter = new LineCounter()
  const documents: ManifestDocument[] = []
  const errors: SyntaxProblem[] = []
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter,
      merge: true,
      prettyErrors: false,
      logLevel: 'silent',
    })
    for (const document of parsed as Iterable<Document.Parsed>)
      readDocument(document, lineCounter, documents, errors)
  } catch (error) {
    errors.push({ line: 1, column: 1, message: oneLine(error) })
  }
  return { documents, errors }
}

function readDocument(
  document: Document.Parsed,
  lineCounter: LineCounter,
  documents: ManifestDocument[],
  errors: SyntaxProblem[],
): void {
  for (const error of document.errors) {
    errors.push({ ...positionAt(lineCounter, error.pos[0]), message: oneLine(error) })
  }
  if (document.errors.length > 0) return
  let raw: unknown
  try {
    raw = document.toJS()
  } catch (error) {
    errors.push({ ...positionAt(lineCounter, document.range[0]), message: oneLine(error) })
    return
  }
  if (raw === null || raw === undefined) return
  const locate = (path: FieldPath): Position => positionAt(lineCounter, offsetOf(document, path))
  flatten(raw, [], documents, (prefix) => {
    // At once: what is kept must not keep the parsed document.
    const start = locate(prefix)
    return { start: () => start, locate: (path) => locate([...prefix, ...path]) }
  })
}

/** A `List` (or `PodList` ...) stands for its items. */
function flatten(
  raw: unknown,
  prefix: FieldPath,
  documents: ManifestDocument[],
  place: (prefix: FieldPath) => Pick<ManifestDocument, 'start' | 'locate'>,
): void {
  if (typeof raw === 'object' && raw !== null && 'kind' in raw && 'items' in raw) {
    const { kind, items } = raw
    if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
      for (const [index, item] of items.entries()) {
        flatten(
          typed(item, raw, kind.slice(0, -'List'.length)),
          [...prefix, 'items', index],
          documents,
          place,
        )
      }
      return
    }
  }
  documents.push({ raw, ...place(prefix) })
}

/** Items of a typed list as the API returns them have neither apiVersion nor kind of their own. */
function typed(item: unknown, list: object, kind: string): unknown {
  if (kind === '' || typeof item !== 'object' || item === null || 'kind' in item) return item
  return { apiVersion: 'apiVersion' in list ? list.apiVersion : undefined, kind, ...item }
}

function offsetOf(document: Document.Parsed, path: FieldPath): number {
  for (let length = path.length; length > 0; length--) {
    const parent = nodeAt(document, path.slice(0, length - 1))
    const name = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => (isScalar(key) ? key.value : key) === name)
      const at = pair === undefined ? undefined : (startOf(pair.value) ?? startOf(pair.key))
      if (at !== undefined) return at
    } else {
      const at = startOf(nodeAt(document, path.slice(0, length)))
      if (at !== undefined) return at
    }
  }
  return startOf(document.contents) ?? document.range[0]
}

function nodeAt(document: Document.Parsed, path: FieldPath): unknown {
  try {
    return document.getIn(path, true)
  } catch {
    return undefined // the path leads through an alias or a scalar
  }
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined
  return (node as Node).range?.[0]
}

function positionAt(lineCounter: LineCounter, offset: number): Position {
  const { line, col } = lineCounter.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/\s*\n\s*/g, ' ').trim()
}
