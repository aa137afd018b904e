import type { FieldTable } from './fields.ts'

/**
 * What became of a field. A class without literals inside, as V8 may take to making those in the old generation, where what
 * lives as long as a request then waits for a full collection.
 */
class Edit {
  /** The name as the one who set it wrote it. */
  readonly name: string
  /** undefined: the field is gone. */
  readonly value: string | undefined
  /** Keep the fields that arrived beside the new ones. */
  readonly keep: boolean
  more: string[] | undefined

  constructor(name: string, value: string | undefined, { keep }: { readonly keep: boolean }) {
    this.name = name
    this.value = value
    this.keep = keep
  }

  /** All values joined; undefined if there is none. */
  get joined(): string | undefined {
    return this.more === undefined ? this.value : `${this.value}, ${this.more.join(', ')}`
  }

  get lines(): string {
    if (this.value === undefined) return ''
    let text = `${this.name}: ${this.value}\r\n`
    for (const value of this.more ?? []) text += `${this.name}: ${value}\r\n`
    return text
  }
}

const ALONE = { keep: false }
const BESIDE = { keep: true }

/** What may not stand in a field value as it is. */
const UNFIT = /[^\x01-\x09\x0b\x0c\x0e-\xff]/

/** Wire form of a field value: CR, LF and NUL become blanks (nobody injects a line), characters beyond latin-1 UTF-8. */
export function fieldValue(value: string): string {
  if (!UNFIT.test(value)) return value
  const line = value.replace(/[\r\n\0]/g, ' ')
  return UNFIT.test(line) ? Buffer.from(line, 'utf8').toString('latin1') : line
}

/**
 * The header fields of a message as plugins see them: what arrived (a field table, possibly none) with edits laid over.
 * Nothing is allocated per field that nobody touches.
 */
export class MessageHeaders {
  readonly table: FieldTable | undefined
  #edits: Map<string, Edit> | undefined
  /** A bit for every length of a name in `#edits`: most fields are seen not to be there without a look at their names. */
  #lengths = 0

  constructor(table?: FieldTable | undefined) {
    this.table = table
  }

  get edited(): boolean {
    return this.#edits !== undefined
  }

  /** The value of a field by name, several joined by ", "; undefined if absent. */
  get(name: string): string | undefined {
    const lower = name.toLowerCase()
    const edit = this.#edits?.get(lower)
    if (edit === undefined) return this.table?.get(lower)
    const arrived = edit.keep ? this.table?.get(lower) : undefined
    const added = edit.joined
    if (added === undefined) return arrived
    return arrived === undefined ? added : `${arrived}, ${added}`
  }

  /** Every field as it stands, by lower-case name. */
  entries(): Record<string, string> {
    const found: Record<string, string> = {}
    for (let index = 0; index < (this.table?.count ?? 0); index++) {
      const name = this.table?.name(index).toLowerCase() ?? ''
      const value = this.get(name)
      if (value !== undefined) found[name] = value
    }
    for (const name of this.#edits?.keys() ?? []) {
      const value = this.get(name)
      if (value !== undefined) found[name] = value
    }
    return found
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  set(name: string, value: string): void {
    this.#put(new Edit(name, fieldValue(value), ALONE))
  }

  /** Adds a field beside those that are there. */
  add(name: string, value: string): void {
    const edit = this.#edits?.get(name.toLowerCase())
    if (edit === undefined) this.#put(new Edit(name, fieldValue(value), BESIDE))
    else if (edit.value === undefined) this.#put(new Edit(edit.name, fieldValue(value), edit))
    else {
      edit.more ??= []
      edit.more.push(fieldValue(value))
    }
  }

  remove(name: string): void {
    this.#put(new Edit(name, undefined, ALONE))
  }

  #put(edit: Edit): void {
    this.#edits ??= new Map()
    this.#edits.set(edit.name.toLowerCase(), edit)
    this.#lengths |= lengthBit(edit.name.length)
  }

  /** The replaced-or-added value if somebody edited the field, else undefined; for fields the engine writes itself. */
  editedValue(lowerName: string): string | undefined {
    return this.#edits?.get(lowerName)?.joined
  }

  isEdited(lowerName: string): boolean {
    return this.#edits?.has(lowerName) ?? false
  }

  isRemoved(lowerName: string): boolean {
    const edit = this.#edits?.get(lowerName)
    return edit !== undefined && edit.value === undefined
  }

  /**
   * The field lines to send. `skip` holds the ids the engine writes itself or that are hop-by-hop; `drop` further names
   * (lower case, from the Connection field); `own` the lower-case names of edits the caller writes.
   */
  serialize(skip: Uint8Array, drop: readonly string[] | undefined, own: ReadonlySet<string>): string {
    let text = this.table === undefined ? '' : this.#arrived(this.table, skip, drop)
    if (this.#edits !== undefined) {
      for (const [lower, edit] of this.#edits) {
        if (!own.has(lower)) text += edit.lines
      }
    }
    return text
  }

  #arrived(table: FieldTable, skip: Uint8Array, drop: readonly string[] | undefined): string {
    const lengths = (drop ?? []).reduce((bits, name) => bits | lengthBit(name.length), this.#lengths)
    let text = ''
    // Consecutive lines that stay are copied as one slice.
    let runStart = -1
    for (let index = 0; index < table.count; index++) {
      let stays = skip[table.id(index)] !== 1
      if (stays && (lengths & lengthBit(table.nameLength(index))) !== 0) {
        const lower = table.name(index).toLowerCase()
        const edit = this.#edits?.get(lower)
        stays = (edit === undefined || edit.keep) && !drop?.includes(lower)
      }
      if (stays) {
        if (runStart === -1) runStart = table.nameStart(index)
      } else if (runStart !== -1) {
        text += table.buffer.toString('latin1', runStart, table.nameStart(index))
        runStart = -1
      }
    }
    if (runStart !== -1) text += table.buffer.toString('latin1', runStart, table.sectionEnd)
    return text
  }
}

function lengthBit(length: number): number {
  return 1 << (length & 31)
}
