import { type Document, isMap, isScalar, LineCounter, type Node, parseAllDocuments } from 'yaml'
import type { FieldPath } from '../objects/field.ts'

/** Lines and columns count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One Kubernetes object as it stands in a file; items of a List count each. */
export interface ManifestDocument {
  readonly raw: unknown
  readonly start: Position
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

/** Parses a manifest file. JSON is read as the YAML it is. Never throws. */
export function parseManifest(text: string): ParsedManifest {
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
  flatten(raw, [], locate, documents)
}

/** A `List` (or `PodList` ...) stands for its items. */
function flatten(
  raw: unknown,
  prefix: FieldPath,
  locate: (path: FieldPath) => Position,
  documents: ManifestDocument[],
): void {
  if (typeof raw === 'object' && raw !== null && 'kind' in raw && 'items' in raw) {
    const { kind, items } = raw
    if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
      for (const [index, item] of items.entries()) {
        flatten(
          typed(item, raw, kind.slice(0, -'List'.length)),
          [...prefix, 'items', index],
          locate,
          documents,
        )
      }
      return
    }
  }
  documents.push({ raw, start: locate(prefix), locate: (path) => locate([...prefix, ...path]) })
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
