import { randomBytes } from 'node:crypto'

/** Numbers a record holds beside its expiry. */
const FIELDS = 6
/** Sizes in numbers of 8 bytes: a record is the hash of its key, its expiry and its fields, one cache line. */
const RECORD = 2 + FIELDS
const WAYS = 8
const HEADER = 8
/** 16 MB, of which only pages in use cost memory. */
const DEFAULT_BUCKETS = 32_768
const SPINS = 1000

/** What performance.now(), which counts from the start of its process, is short of CLOCK_MONOTONIC. */
const SINCE_BOOT = (() => {
  const now = performance.now()
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6 - now
})()

/** Milliseconds on the clock that all processes of a machine share (CLOCK_MONOTONIC), for times in records. */
export function monotonicNow(): number {
  return SINCE_BOOT + performance.now()
}

/**
 * Small records by key in memory that several processes may share: what the counters of plugins and the health of servers
 * are kept in, so that a limit is one limit however many processes serve. As nginx's shared dictionaries: of fixed size, and
 * where it is full the record that expires first makes room. Eight records share a lock, which is held for the few
 * instructions of one `update`.
 *
 * Keys are kept as 64-bit hashes with a random seed. Two keys that meet would count together; nobody can aim at that.
 */
export class SharedRecords {
  /** Which of the processes this is, 0 for the first. */
  readonly process: number
  readonly #cells: Float64Array
  readonly #words: Uint32Array
  readonly #locks: Int32Array
  readonly #buckets: number
  /** Where the records begin, in cells. */
  readonly #base: number
  /** The record under change. */
  readonly #record: SharedRecord
  readonly #pid = process.pid

  /** `memory` of sharedBytes() bytes, zeroed; private to the process if there is none. */
  constructor(
    memory: ArrayBuffer = new ArrayBuffer(sharedBytes()),
    options: { readonly process?: number } = {},
  ) {
    this.process = options.process ?? 0
    this.#buckets = bucketsIn(memory.byteLength)
    this.#base = HEADER + this.#buckets / 2
    this.#cells = new Float64Array(memory)
    this.#words = new Uint32Array(memory)
    this.#locks = new Int32Array(memory, HEADER * 8, this.#buckets)
    this.#record = new SharedRecord(this.#cells, this.#words)
    const seeds = this.#words.subarray(0, 2)
    // The process that makes the memory is the first to look at it.
    if (seeds[0] === 0) seeds.set(new Uint32Array(randomBytes(8).buffer.slice(0, 8)).map((seed) => seed | 1))
  }

  /** The records whose keys begin with `name`. */
  within(name: string): RecordSpace {
    return new RecordSpace(this, hash(name, this.#words[0] as number, this.#words[1] as number))
  }

  /** Runs `change` on a record while no other process can; all of a new record is 0. */
  update<T>({ a, b }: KeyHash, change: (record: SharedRecord) => T): T {
    const bucket = a & (this.#buckets - 1)
    this.#lock(bucket)
    try {
      const at = this.#find(bucket, a, b) ?? this.#claim(bucket, a, b)
      return change(this.#record.at(at))
    } finally {
      Atomics.store(this.#locks, bucket, 0)
    }
  }

  /** A field as it is just now, without a lock; 0 if there is no such record. */
  peek({ a, b }: KeyHash, field: number): number {
    const at = this.#find(a & (this.#buckets - 1), a, b)
    return at === undefined ? 0 : (this.#cells[at + 2 + field] as number)
  }

  /** Runs `change` on every record there is. Reads all of the memory: for rare events. */
  forEach(change: (record: SharedRecord) => void): void {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      this.#lock(bucket)
      try {
        const first = this.#base + bucket * WAYS * RECORD
        for (let at = first; at < first + WAYS * RECORD; at += RECORD)
          if (this.#words[at * 2] !== 0) change(this.#record.at(at))
      } finally {
        Atomics.store(this.#locks, bucket, 0)
      }
    }
  }

  #find(bucket: number, a: number, b: number): number | undefined {
    const first = this.#base + bucket * WAYS * RECORD
    for (let at = first; at < first + WAYS * RECORD; at += RECORD)
      if (this.#words[at * 2] === a && this.#words[at * 2 + 1] === b) return at
    return undefined
  }

  #claim(bucket: number, a: number, b: number): number {
    const first = this.#base + bucket * WAYS * RECORD
    let chosen = first
    for (let at = first; at < first + WAYS * RECORD; at += RECORD) {
      if (this.#words[at * 2] === 0) {
        chosen = at
        break
      }
      if ((this.#cells[at + 1] as number) < (this.#cells[chosen + 1] as number)) chosen = at
    }
    this.#cells.fill(0, chosen + 1, chosen + RECORD)
    this.#words[chosen * 2] = a
    this.#words[chosen * 2 + 1] = b
    return chosen
  }

  #lock(bucket: number): void {
    for (let tries = 1; ; tries++) {
      const holder = Atomics.compareExchange(this.#locks, bucket, 0, this.#pid)
      if (holder === 0) return
      // It may have been killed with the lock in its hand.
      if (tries % SPINS === 0 && !isAlive(holder)) Atomics.compareExchange(this.#locks, bucket, holder, 0)
    }
  }
}

/** Bytes of memory for a number of buckets (a power of two), each of eight records. */
export function sharedBytes(buckets = DEFAULT_BUCKETS): number {
  return 8 * (HEADER + buckets / 2 + buckets * WAYS * RECORD)
}

function bucketsIn(bytes: number): number {
  return (bytes / 8 - HEADER) / (0.5 + WAYS * RECORD)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The record that `update` works on; not to be kept. */
export class SharedRecord {
  readonly #cells: Float64Array
  readonly #words: Uint32Array
  #at = 0

  constructor(cells: Float64Array, words: Uint32Array) {
    this.#cells = cells
    this.#words = words
  }

  at(position: number): this {
    this.#at = position
    return this
  }

  /** When the record is of no use any more (monotonicNow): those with the least make room for new ones. */
  get expiresAt(): number {
    return this.#cells[this.#at + 1] as number
  }
  set expiresAt(time: number) {
    this.#cells[this.#at + 1] = time
  }

  /** Field 0 to 5. */
  get(field: number): number {
    return this.#cells[this.#at + 2 + field] as number
  }
  set(field: number, value: number): void {
    this.#cells[this.#at + 2 + field] = value
  }

  /** The fields as twelve whole numbers instead. */
  get lanes(): Uint32Array {
    const from = (this.#at + 2) * 2
    return this.#words.subarray(from, from + LANES)
  }
}

export const LANES = FIELDS * 2

export interface KeyHash {
  readonly a: number
  readonly b: number
}

/** Records whose keys have a common beginning, which is hashed once. */
export class RecordSpace {
  readonly records: SharedRecords
  readonly #prefix: KeyHash

  constructor(records: SharedRecords, prefix: KeyHash) {
    this.records = records
    this.#prefix = prefix
  }

  within(name: string): RecordSpace {
    return new RecordSpace(this.records, this.key(name))
  }

  /** For a key that is used again and again. */
  key(text: string): KeyHash {
    return hash(text, this.#prefix.a, this.#prefix.b)
  }

  /** See SharedRecords.update. */
  update<T>(key: string, change: (record: SharedRecord) => T): T {
    return this.records.update(this.key(key), change)
  }
}

/** Goes on from a hash, so that long beginnings are hashed once. `a` is never 0, which marks a free record. */
function hash(text: string, a: number, b: number): KeyHash {
  // The length first: ('ab', 'c') and ('a', 'bc') are different keys.
  let x = Math.imul(a ^ text.length, 0x85ebca6b)
  let y = Math.imul(b ^ text.length, 0xc2b2ae35)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    x = Math.imul(x ^ code ^ (y >>> 15), 0x85ebca6b)
    y = Math.imul(y ^ code ^ (x >>> 13), 0xc2b2ae35)
  }
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  y = Math.imul(y ^ (y >>> 15), 0x846ca68b)
  x ^= y >>> 13
  y ^= x >>> 16
  return { a: x >>> 0 || 1, b: y >>> 0 }
}
