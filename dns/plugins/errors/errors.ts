import type { Logger } from 'pino'
import { type Next, nothingToRepeat, type Outcome, type Plugin, type Repeat } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { formatDuration } from '../../corefile/duration.ts'
import { rcodeName, typeName } from '../../wire/index.ts'

export type ErrorLevel = 'debug' | 'info' | 'warn' | 'error'

/** `consolidate`: errors that match are counted and summed up instead of logged. */
export interface Consolidation {
  readonly periodMs: number
  readonly pattern: RegExp
  readonly level: ErrorLevel
  readonly showFirst: boolean
}

interface Running {
  count: number
  timer: NodeJS.Timeout | undefined
}

/** Logs why a query failed: one line with name, type and the error of the plugin. */
export class ErrorsPlugin implements Plugin {
  readonly name = 'errors'
  readonly #log: Logger
  readonly #stacks: boolean
  readonly #rules: readonly (Consolidation & Running)[]

  constructor(options: { log: Logger; stacktrace: boolean; consolidations: readonly Consolidation[] }) {
    this.#log = options.log
    this.#stacks = options.stacktrace
    this.#rules = options.consolidations.map((rule) => ({ ...rule, count: 0, timer: undefined }))
  }

  handle(query: Query, next: Next): Outcome {
    const outcome = next(query)
    if (outcome instanceof Promise) return outcome.then((reply) => this.#look(query, reply))
    return this.#look(query, outcome)
  }

  repeat(_query: Query, reply: Reply): Repeat | undefined {
    return reply.error === undefined ? nothingToRepeat : undefined
  }

  #look(query: Query, reply: Reply): Reply {
    if (reply.error !== undefined) this.#report(query, reply, reply.error)
    return reply
  }

  #report(query: Query, reply: Reply, error: Error): void {
    const origin = reply.plugin === '' ? '' : `plugin/${reply.plugin}: `
    const text = `${origin}${error.message}`
    const object = `query ${query.name} ${typeName(query.type)}`
    const rule = this.#rules.find((candidate) => candidate.pattern.test(text))
    if (rule !== undefined && !this.#counted(rule)) return
    const level = rule?.level ?? 'error'
    this.#log[level](
      { object, rcode: rcodeName(reply.rcode), ...(this.#stacks ? { err: error } : {}) },
      // The form that alerts on CoreDNS's lines look for.
      `plugin/errors: ${reply.rcode} ${query.name} ${typeName(query.type)}: ${text}`,
    )
  }

  /** Counts an error; true if this one is to be shown. */
  #counted(rule: Consolidation & Running): boolean {
    rule.count += 1
    if (rule.timer === undefined) {
      rule.timer = setTimeout(() => this.#sumUp(rule), rule.periodMs)
      rule.timer.unref()
      return rule.showFirst
    }
    return false
  }

  #sumUp(rule: Consolidation & Running): void {
    const { count } = rule
    rule.timer = undefined
    rule.count = 0
    if (count === 0 || (count === 1 && rule.showFirst)) return
    this.#log[rule.level](
      `plugin/errors: ${count} errors like '${rule.pattern.source}' occurred in last ${formatDuration(rule.periodMs)}`,
    )
  }

  stop(): void {
    for (const rule of this.#rules) {
      if (rule.timer === undefined) continue
      clearTimeout(rule.timer)
      this.#sumUp(rule)
    }
  }
}
