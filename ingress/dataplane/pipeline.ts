import type { Logger } from 'pino'
import { type ConnectionPool, type Exchange, Forward, type Response } from '../http/index.ts'
import type { Chain, Step } from '../plugins/compile.ts'
import type { Handler, PluginAnswer, PluginResult } from '../plugins/plugin.ts'
import type { AddressSet } from '../route/index.ts'
import { UpstreamGroup } from '../upstream/index.ts'
import type { RequestContext } from './context.ts'
import { UpstreamPlan } from './forward-plan.ts'
import type { Tables } from './tables.ts'

export interface PipelineOptions {
  readonly tables: Tables
  readonly pool: ConnectionPool
  readonly trusted: AddressSet | undefined
  readonly showUpstreamStatus: boolean
  readonly log: Logger
}

type Stage = 'rewrite' | 'access' | 'beforeProxy'

/** Takes one request through its plugins to the upstream. Stays synchronous as long as every plugin does. */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #context: RequestContext
  readonly #exchange: Exchange
  readonly #global: Chain
  #chain: Chain | undefined

  constructor(context: RequestContext, options: PipelineOptions) {
    this.#options = options
    this.#context = context
    this.#exchange = context.exchange
    this.#global = options.tables.globalChain
    this.#chain = context.route?.chain
  }

  run(): void {
    this.#exchange.onResponse = (response) => this.#filterHead(response)
    const broken = this.#context.route?.broken
    if (broken !== undefined) {
      this.#exchange.fail(broken)
      return
    }
    this.#stage('rewrite', this.#global.rewrite, () =>
      this.#stage('rewrite', this.#chain?.rewrite, () =>
        this.#consumerStage(() =>
          this.#stage('access', this.#global.access, () =>
            this.#stage('access', this.#chain?.access, () => this.#proxy()),
          ),
        ),
      ),
    )
  }

  /** Runs the steps of a stage, then goes on; a promise suspends it, an answer ends it. */
  #stage(stage: Stage, steps: readonly Step<Handler>[] | undefined, proceed: () => void, from = 0): void {
    if (steps === undefined || steps.length === 0) {
      proceed()
      return
    }
    for (let index = from; index < steps.length; index++) {
      const step = steps[index] as Step<Handler>
      if (step.filter !== undefined && !step.filter(this.#context.variables)) continue
      let result: PluginResult | Promise<PluginResult>
      try {
        result = step.run(this.#context)
      } catch (error) {
        this.#crashed(step, error)
        return
      }
      if (result === undefined) continue
      if (result instanceof Promise) {
        result.then(
          (answer) => {
            if (this.#exchange.ended) return
            if (answer !== undefined) this.#answer(answer, step)
            else this.#stage(stage, steps, proceed, index + 1)
          },
          (error: unknown) => this.#crashed(step, error),
        )
        return
      }
      this.#answer(result, step)
      return
    }
    proceed()
  }

  /** After authentication the consumer's plugins join in. */
  #consumerStage(proceed: () => void): void {
    const { consumer, route } = this.#context
    if (consumer === undefined || route === undefined || consumer.plugins === undefined) {
      proceed()
      return
    }
    this.#chain = this.#options.tables.chainFor(route, consumer)
    this.#stage('rewrite', this.#chain.rewrite, proceed)
  }

  #crashed(step: Step<unknown>, error: unknown): void {
    this.#options.log.error(
      { plugin: step.plugin, route: this.#context.route?.id, err: error },
      'plugin failed',
    )
    this.#exchange.fail(500)
  }

  #answer(answer: PluginAnswer, step: Step<unknown>): void {
    const body = answer.status >= 400 && step.errorResponse !== undefined ? step.errorResponse : answer.body
    if (body === undefined && answer.status >= 300) {
      this.#exchange.onResponse = (response) => {
        for (const [name, value] of Object.entries(answer.headers ?? {})) response.headers.set(name, value)
        this.#filterHead(response)
      }
      this.#exchange.fail(answer.status)
      return
    }
    const text = typeof body === 'string' ? body : body === undefined ? '' : `${JSON.stringify(body)}\n`
    const type = typeof body === 'object' ? 'application/json' : 'text/plain; charset=utf-8'
    this.#exchange.reply(answer.status, { headers: { 'Content-Type': type, ...answer.headers }, body: text })
  }

  #proxy(): void {
    if (this.#context.route === undefined) {
      this.#exchange.reply(404, {
        headers: { 'Content-Type': 'application/json' },
        body: '{"error_msg":"404 Route Not Found"}\n',
      })
      return
    }
    this.#stage('beforeProxy', this.#global.beforeProxy, () =>
      this.#stage('beforeProxy', this.#chain?.beforeProxy, () => this.#forward()),
    )
  }

  #forward(): void {
    const group = this.#group()
    if (typeof group === 'number') {
      this.#exchange.fail(group)
      return
    }
    const { trusted, pool, log } = this.#options
    const plan = new UpstreamPlan({
      context: this.#context,
      group,
      trusted: trusted?.has(this.#exchange.connection.transport.remoteAddress) ?? false,
      log,
    })
    new Forward(this.#exchange, plan, pool).start()
  }

  #group(): UpstreamGroup | number {
    const { route, chosenUpstream } = this.#context
    const { upstreams } = this.#options.tables
    if (chosenUpstream instanceof UpstreamGroup) return chosenUpstream
    if (typeof chosenUpstream === 'string') return upstreams.get(chosenUpstream) ?? 502
    if (route?.upstreamId !== undefined) return upstreams.get(route.upstreamId) ?? 502
    return route?.inline ?? 503
  }

  #filterHead(response: Response): void {
    const context = this.#context
    if (context.upstreamStatus !== '' && (this.#options.showUpstreamStatus || response.status >= 500)) {
      response.headers.set('X-APISIX-Upstream-Status', context.upstreamStatus)
    }
    this.#runHeadFilters(this.#global, response)
    if (this.#chain !== undefined) this.#runHeadFilters(this.#chain, response)
    const filters = [...this.#global.bodyFilter, ...(this.#chain?.bodyFilter ?? [])].filter((step) =>
      this.#applies(step),
    )
    if (filters.length === 0) return
    this.#exchange.bodyFilter = (chunk, state) => {
      let piece = chunk
      for (const step of filters) piece = step.run(context, piece, state)
      return piece
    }
  }

  #applies(step: Step<unknown>): boolean {
    return step.filter === undefined || step.filter(this.#context.variables)
  }

  #runHeadFilters(chain: Chain, response: Response): void {
    for (const step of chain.headerFilter) {
      if (!this.#applies(step)) continue
      try {
        step.run(this.#context, response)
      } catch (error) {
        this.#options.log.error({ plugin: step.plugin, err: error }, 'plugin failed in header_filter')
      }
    }
  }

  log(): void {
    for (const chain of [this.#global, this.#chain]) {
      if (chain === undefined) continue
      for (const step of chain.log) {
        if (!this.#applies(step)) continue
        try {
          step.run(this.#context)
        } catch (error) {
          this.#options.log.error({ plugin: step.plugin, err: error }, 'plugin failed in log')
        }
      }
    }
  }
}
