import type { Logger } from 'pino'
import type { JsonObject, ObjectChange } from '../objects/index.ts'
import { type GoogleAccountConf, GoogleTokens } from '../plugins/google-account.ts'
import {
  parseSecretReference,
  refersToSecret,
  resolveReferences,
  UnresolvedReference,
} from '../plugins/references.ts'
import { type AwsConf, readAws } from './aws.ts'
import { readGcp } from './gcp.ts'
import { readVault, type VaultConf } from './vault.ts'

/** How long a value is good for, and how long a failure is not asked about again. */
const FRESH_MS = 300_000
const RETRY_MS = 5000
const TICK_MS = 1000

interface Held {
  value: string | undefined
  /** When to ask again (performance.now). */
  due: number
  asking: boolean
}

export interface SecretsOptions {
  readonly log: Logger
  /** Values by reference that were there before. */
  readonly known: Map<string, unknown>
  /** Values came or changed: these objects, which refer to some, have to be compiled anew. */
  readonly onChange: (changes: readonly ObjectChange[]) => void
}

/** Where an object may hold references: its plugins, an upstream's certificate; all of an `ssls` object. */
function holdersOf({ kind, value }: ObjectChange): unknown {
  if (kind === 'ssls' || value === undefined) return value
  const { plugins, upstream, tls } = value as {
    plugins?: unknown
    upstream?: { tls?: unknown }
    tls?: unknown
  }
  return [plugins, upstream?.tls, tls]
}

/**
 * Values of `$secret://manager/id/key`, from the managers that `secrets` objects describe. What is asked for is fetched, kept,
 * and asked for again every five minutes; while a manager is away, what was known stays.
 */
export class Secrets {
  readonly #options: SecretsOptions
  readonly #managers = new Map<string, JsonObject>()
  readonly #held = new Map<string, Held>()
  /** Objects with references. */
  readonly #referring = new Map<string, ObjectChange>()
  readonly #tokens = new GoogleTokens()
  readonly #asking = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: SecretsOptions) {
    this.#options = options
  }

  /** Takes note of a change: managers, and objects that refer to secrets (in plugins, or as certificates). */
  apply(change: ObjectChange): void {
    if (change.kind === 'secrets') {
      this.#setManager(change.id, change.value)
      return
    }
    const key = `${change.kind}/${change.id}`
    if (refersToSecret(holdersOf(change))) this.#referring.set(key, change)
    else this.#referring.delete(key)
  }

  /** `id` is `<manager>/<id>`. Values of a manager that changed are fetched anew. */
  #setManager(id: string, conf: JsonObject | undefined): void {
    if (conf === undefined) this.#managers.delete(id)
    else this.#managers.set(id, conf)
    for (const [reference, held] of this.#held) {
      if (!reference.startsWith(`$secret://${id}/`)) continue
      held.due = 0
      this.#fetch(reference, held)
    }
  }

  /** Throws UnresolvedReference while the value is not there; `onChange` tells when it is. */
  get(reference: string): string {
    let held = this.#held.get(reference)
    if (held === undefined) {
      const known = this.#options.known.get(reference)
      held = { value: typeof known === 'string' ? known : undefined, due: 0, asking: false }
      this.#held.set(reference, held)
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
      this.#fetch(reference, held)
    }
    if (held.value === undefined) throw new UnresolvedReference(`${reference} is not there (yet)`)
    return held.value
  }

  /** A configuration with all its references replaced. Throws UnresolvedReference. */
  resolve<T>(value: T): T {
    return resolveReferences(value, (reference) => this.get(reference))
  }

  #tick(): void {
    const now = performance.now()
    for (const [reference, held] of this.#held) if (held.due <= now) this.#fetch(reference, held)
  }

  #fetch(reference: string, held: Held): void {
    if (held.asking) return
    held.asking = true
    const asking = this.#ask(reference, held).finally(() => this.#asking.delete(asking))
    this.#asking.add(asking)
  }

  async #ask(reference: string, held: Held): Promise<void> {
    const before = held.value
    try {
      // Not before all changes of the batch are in: the manager may be among them.
      await Promise.resolve()
      held.value = await this.#read(reference)
      held.due = performance.now() + FRESH_MS
      this.#options.known.set(reference, held.value)
    } catch (error) {
      held.due = performance.now() + RETRY_MS
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.log.error({ reference, reason }, 'a secret cannot be fetched')
    }
    held.asking = false
    if (held.value !== before) this.#options.onChange([...this.#referring.values()])
  }

  /** Resolves when what has been asked for so far is there, or cannot be had. */
  async settled(): Promise<void> {
    await Promise.all(this.#asking)
  }

  async #read(reference: string): Promise<string> {
    const { manager, key } = parseSecretReference(reference)
    const conf = this.#managers.get(manager)
    if (conf === undefined) throw new Error(`there is no secrets object ${manager}`)
    const own: unknown = resolveReferences(conf, (text) => {
      throw new UnresolvedReference(`${text}: a manager is not described by its own secrets`)
    })
    if (manager.startsWith('aws/')) return readAws(own as AwsConf, key)
    if (manager.startsWith('gcp/')) return readGcp(own as GoogleAccountConf, key, this.#tokens)
    return readVault(own as VaultConf, key)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
