import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { type ResourceRecord, readU32, Type } from '../../wire/index.ts'
import { readKey, type ZoneKey } from '../../zone/dnssec/keys.ts'
import { signZone } from '../../zone/dnssec/sign-zone.ts'
import { formatRecord } from '../../zone/dnssec/text.ts'
import { readZoneFile } from '../../zone/master-file.ts'
import { Zone } from '../../zone/zone.ts'

const hour = 3600
const day = 24 * hour
const checkMs = 5 * hour * 1000
/** a changed zone file is signed soon */
const lookMs = 2000
const validSeconds = 32 * day
/** signed anew when the last time is so long ago, or so little is left */
const resignSeconds = 6 * day
const leftSeconds = 14 * day

export interface SignOptions {
  readonly file: string
  readonly zones: readonly string[]
  readonly directory: string
  /** files of keys, or (`directories`) where to look for those of each zone */
  readonly keys: readonly string[]
  readonly directories: readonly string[]
}

/** Signs zone files; *file* and *auto* serve what it writes. */
export class SignPlugin implements Plugin {
  readonly name = 'sign'
  readonly #options: SignOptions
  readonly #log: Logger
  #timers: NodeJS.Timeout[] = []
  #stamp = ''

  constructor(options: SignOptions, log: Logger) {
    this.#options = options
    this.#log = log
  }

  handle(query: Query, next: Next): Outcome {
    return next(query)
  }

  /** A zone that cannot be signed is tried again: others are served meanwhile. */
  start(): void {
    this.#all()
    const every = (wait: number, body: () => void): void => {
      const timer = setInterval(body, wait)
      timer.unref()
      this.#timers.push(timer)
    }
    every(checkMs, () => this.#all())
    every(lookMs, () => {
      if (this.#stampOf() !== this.#stamp) this.#all()
    })
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  #stampOf(): string {
    const stats = statSync(this.#options.file, { throwIfNoEntry: false })
    return stats === undefined ? 'missing' : `${stats.mtimeMs} ${stats.size}`
  }

  #all(): void {
    this.#stamp = this.#stampOf()
    for (const zone of this.#options.zones) {
      try {
        const reason = this.#whySign(zone)
        if (reason !== undefined) this.#sign(zone, reason)
      } catch (error) {
        this.#log.error({ object: `zone ${zone}`, err: error }, 'the zone cannot be signed')
      }
    }
  }

  #signedFile(zone: string): string {
    return join(this.#options.directory, `db.${zone}signed`)
  }

  #whySign(zone: string): string | undefined {
    const signed = statSync(this.#signedFile(zone), { throwIfNoEntry: false })
    if (signed === undefined) return 'it was never signed'
    if (statSync(this.#options.file).mtimeMs > signed.mtimeMs) return 'its file changed'
    const now = Date.now() / 1000
    let soaSignature: ResourceRecord | undefined
    try {
      const records = readZoneFile(this.#signedFile(zone), zone)
      soaSignature = records.find((record) => isSignatureOf(record, Type.SOA))
    } catch (error) {
      return `the signed file cannot be read: ${String(error)}`
    }
    if (soaSignature?.kind !== 'raw') return 'its SOA has no signature'
    const expiration = readU32(soaSignature.rdata, 8)
    const inception = readU32(soaSignature.rdata, 12)
    if (now - inception > resignSeconds) return 'it was signed days ago'
    return expiration - now < leftSeconds ? 'its signatures expire soon' : undefined
  }

  #sign(origin: string, reason: string): void {
    const keys = this.#keysOf(origin)
    const zone = new Zone(origin, readZoneFile(this.#options.file, origin))
    const now = Math.floor(Date.now() / 1000)
    // Zones signed at the same time need not all expire at the same time.
    const validity = {
      inception: now - 3 * hour - Math.floor(Math.random() * 18 * hour),
      expiration: now + validSeconds + Math.floor(Math.random() * 5 * day),
    }
    const records = signZone(zone, keys, { serial: now, validity })
    const file = this.#signedFile(origin)
    mkdirSync(this.#options.directory, { recursive: true })
    // Readers see the old file or the new one, never half of it.
    writeFileSync(`${file}.new`, `${records.map(formatRecord).join('\n')}\n`)
    renameSync(`${file}.new`, file)
    this.#log.info(
      { object: `zone ${origin}`, file, keys: keys.map(({ tag }) => tag), serial: now, reason },
      'zone signed',
    )
  }

  #keysOf(zone: string): ZoneKey[] {
    const found = this.#options.directories.flatMap((directory) =>
      readdirSync(directory)
        .filter((name) => name.startsWith(`K${zone}+`) && name.endsWith('.key'))
        .map((name) => join(directory, name)),
    )
    const keys = [...this.#options.keys, ...found].map(readKey)
    if (keys.length === 0) throw new Error(`there is no key for zone ${zone}`)
    return keys
  }
}

function isSignatureOf(record: ResourceRecord, type: number): boolean {
  return (
    record.type === Type.RRSIG &&
    record.kind === 'raw' &&
    record.rdata[0] === type >> 8 &&
    record.rdata[1] === (type & 255)
  )
}
