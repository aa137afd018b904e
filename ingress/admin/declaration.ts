import { parseDocument } from 'yaml'
import { type CheckContext, checkObject } from '../objects/check.ts'
import { Catalogue, type Entry, isObject, type JsonObject, KINDS, type Kind } from '../objects/index.ts'
import { type DeclaredItem, declaredItem } from './declared-objects.ts'

/** Lists of a whole configuration. Credentials are among the consumers; the list of plugins is config.yaml's here. */
export const LISTS = [...KINDS.filter((kind) => kind !== 'credentials'), 'plugins'] as const
export type List = (typeof LISTS)[number]

/** How often a list was changed, in the words of whoever writes it. */
export const versionKey = (list: List): string => `${list}_conf_version`

/** What is wrong with a declaration. */
export interface DeclarationFault {
  readonly resource_type: List
  readonly resource_id?: unknown
  /** Place in its list, from 0. */
  readonly index?: number
  readonly error: string
}

export interface Declaration {
  /** Those that are good. */
  readonly items: readonly DeclaredItem[]
  readonly faults: readonly DeclarationFault[]
}

/** A body of JSON, or of YAML where `type` says so. Throws with what is wrong with it. */
export function parseDeclaration(text: string, type: string | undefined): JsonObject {
  if (text === '') throw new Error('empty request body')
  const content: unknown = type?.startsWith('application/yaml') === true ? parseYaml(text) : JSON.parse(text)
  if (!isObject(content)) throw new Error('an object of resources is expected')
  return content
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text)
  const [problem] = document.errors
  if (problem !== undefined) throw new Error(problem.message, { cause: problem })
  return document.toJS()
}

/** Checks every item of a whole configuration, against the others of it and against what is made from Kubernetes. */
export function checkDeclaration(document: JsonObject, context: CheckContext): Declaration {
  const items: DeclaredItem[] = []
  const faults: DeclarationFault[] = []
  const among = { catalogue: madeFromKubernetes(context.catalogue), registry: context.registry }
  for (const list of LISTS) {
    const version = document[versionKey(list)]
    if (version !== undefined && typeof version !== 'number')
      faults.push({ resource_type: list, error: `${versionKey(list)} must be a number` })
    const given = document[list] ?? []
    if (list === 'plugins') continue
    if (!Array.isArray(given)) {
      faults.push({ resource_type: list, error: `${list} must be a list` })
      continue
    }
    const names = new Set<unknown>()
    for (const [index, item] of given.entries()) {
      const id = isObject(item) ? (item.id ?? item.username) : undefined
      const fault = (error: string) =>
        faults.push({ resource_type: list, resource_id: id ?? '', index, error })
      if (!isObject(item)) {
        fault('invalid configuration: wrong type: expected object')
        continue
      }
      const declared = declaredItem(list, item, index)
      const error = checkObject(declared.kind, declared.id, declared.value, among, {
        references: 'unchecked',
      })
      const repeated = id !== undefined && names.has(id)
      if (error !== undefined) fault(error)
      if (repeated) fault(`found duplicate ${nameOf(list, item)} ${id} in ${list}`)
      names.add(id)
      if (error !== undefined || repeated) continue
      items.push(declared)
      among.catalogue.restore(declared.kind, entryOf(declared))
    }
  }
  return { items, faults }
}

/** What `id` of an item is called. */
function nameOf(list: Kind, item: JsonObject): string {
  if (list !== 'consumers') return 'id'
  return item.id === undefined ? 'username' : 'credential id'
}

function madeFromKubernetes(catalogue: Catalogue): Catalogue {
  const copy = new Catalogue()
  for (const kind of KINDS)
    for (const entry of catalogue.entries(kind)) if (entry.origin === 'kubernetes') copy.restore(kind, entry)
  return copy
}

function entryOf({ id, value }: DeclaredItem): Entry<Kind> {
  return { id, value, createdIndex: 0, modifiedIndex: 0, origin: 'configs' } as unknown as Entry<Kind>
}
