import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { addressFamily, canonicalAddress, canonicalName, isName } from '../../wire/index.ts'

type Table = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Reads a weight file: a name on a line of its own, then lines of addresses with weights from 1 to 255. */
export function parseWeights(text: string): Table {
  const table = new Map<string, Map<string, number>>()
  let current: Map<string, number> | undefined
  text.split('\n').forEach((line, i) => {
    const [first = '', weight, extra] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
    if (first === '') return
    if (weight === undefined) {
      if (!isName(first)) throw new Error(`line ${i + 1}: '${first}' is no name`)
      current = new Map()
      if (table.has(canonicalName(first))) throw new Error(`line ${i + 1}: '${first}' occurs twice`)
      table.set(canonicalName(first), current)
      return
    }
    const value = /^\d{1,3}$/.test(weight) ? Number(weight) : 0
    if (addressFamily(first) === undefined || value < 1 || value > 255 || extra !== undefined)
      throw new Error(`line ${i + 1}: must be an address and a weight from 1 to 255`)
    if (current === undefined) throw new Error(`line ${i + 1}: a name must come before addresses`)
    current.set(canonicalAddress(first), value)
  })
  return table
}

/** A weight file that is read again when it changes. */
export class WeightFile {
  readonly #file: string
  readonly #reloadMs: number
  readonly #log: Logger
  #table: Table = new Map()
  #text: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(parts: { file: string; reloadMs: number; log: Logger }) {
    this.#file = parts.file
    this.#reloadMs = parts.reloadMs
    this.#log = parts.log
  }

  /** Throws for a file that is wrong; one that is missing may come later, if it is looked for again. */
  start(): void {
    try {
      this.#read()
    } catch (error) {
      const missing = error instanceof Error && 'code' in error
      if (!missing || this.#reloadMs === 0) throw error
      this.#log.warn({ object: this.#file, err: error }, 'the weight file cannot be read yet')
    }
    if (this.#reloadMs === 0) return
    this.#timer = setInterval(() => {
      try {
        this.#read()
      } catch (error) {
        this.#log.error({ object: this.#file, err: error }, 'the weights stay as they were')
      }
    }, this.#reloadMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  readonly weightOf = (name: string, address: string): number => this.#table.get(name)?.get(address) ?? 1

  #read(): void {
    const text = readFileSync(this.#file, 'utf8')
    if (text === this.#text) return
    this.#table = parseWeights(text)
    this.#text = text
  }
}
