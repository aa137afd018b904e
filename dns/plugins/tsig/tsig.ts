import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure } from '../../core/reply.ts'
import { isSubdomain, Rcode, readU16, WireError } from '../../wire/index.ts'
import {
  isKnownAlgorithm,
  readTsig,
  type Sealing,
  seal,
  sealSize,
  type Tsig,
  time48,
  verifyQuery,
} from './signature.ts'

/** TSIG's own code for a wrong signature; as a response code 16 is BADVERS */
const badSignature = 16

export interface TsigOptions {
  readonly zones: readonly string[]
  /** by name of the key, lower case and qualified */
  readonly secrets: ReadonlyMap<string, Buffer>
  /** types of queries that must be signed */
  readonly require: ReadonlySet<number> | 'all'
  readonly requireOpcode: ReadonlySet<number> | 'all'
}

/** Checks signatures of queries and signs the answers. */
export class TsigPlugin implements Plugin {
  readonly name = 'tsig'
  readonly #options: TsigOptions

  constructor(options: TsigOptions) {
    this.#options = options
  }

  handle(query: Query, next: Next): Outcome {
    const { zones, secrets } = this.#options
    if (!zones.some((zone) => isSubdomain(query.name, zone))) return next(query)
    const tsig = tsigOf(query)
    if (tsig === undefined) {
      if (!this.#required(query)) return next(query)
      return failure(Rcode.REFUSED, this.name, new Error('the query is not signed'))
    }
    const secret = secrets.get(tsig.key)
    const now = Math.floor(Date.now() / 1000)
    if (secret === undefined || !isKnownAlgorithm(tsig.algorithm))
      return this.#reject(query, tsig, { error: Rcode.BADKEY, now, secret: undefined })
    if (!verifyQuery(query.wire, tsig, secret))
      return this.#reject(query, tsig, { error: badSignature, now, secret: undefined })
    if (Math.abs(now - tsig.time) > tsig.fudge)
      return this.#reject(query, tsig, { error: Rcode.BADTIME, now, secret })
    sealWith(query, tsig, { secret, error: 0, time: now, other: Buffer.alloc(0) })
    return next(query)
  }

  #required(query: Query): boolean {
    const { require, requireOpcode } = this.#options
    return (
      require === 'all' ||
      require.has(query.type) ||
      requireOpcode === 'all' ||
      requireOpcode.has(query.opcode)
    )
  }

  /** RFC 8945 §5.2: NOTAUTH with the reason in the TSIG record; signed only if the time is all that is wrong. */
  #reject(
    query: Query,
    tsig: Tsig,
    why: { error: number; now: number; secret: Buffer | undefined },
  ): Outcome {
    const late = why.error === Rcode.BADTIME
    sealWith(query, tsig, {
      secret: why.secret,
      error: why.error,
      time: late ? tsig.time : why.now,
      other: late ? time48(why.now) : Buffer.alloc(0),
    })
    return failure(Rcode.NOTAUTH, this.name, new Error(`the signature with key ${tsig.key} is not right`))
  }
}

function tsigOf(query: Query): Tsig | undefined {
  if (readU16(query.wire, 10) === 0) return undefined
  try {
    return readTsig(query.wire, query.questionEnd)
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** Every message of the answer gets a signature; each rests on the one before. */
function sealWith(query: Query, tsig: Tsig, how: Pick<Sealing, 'secret' | 'error' | 'time' | 'other'>): void {
  const { key, algorithm, fudge, originalId } = tsig
  let prior: Uint8Array = how.secret === undefined ? new Uint8Array() : tsig.mac
  let later = false
  query.maxSize = Math.max(0, query.maxSize - sealSize(key, algorithm))
  query.seal = (out, length) => {
    const sealed = seal(out, length, { ...how, key, algorithm, fudge, originalId, prior, later })
    prior = sealed.mac
    later = true
    return sealed.length
  }
}
