import type { Logger } from 'pino'
import {
  type ConnectionPool,
  type Exchange,
  type ExchangeObserver,
  Forward,
  type Response,
} from '../http/index.ts'
import { type Chain, EMPTY_CHAIN, type Step } from '../plugins/compile.ts'
import type { Handler, PluginAnswer, PluginResult } from '../plugins/plugin.ts'
import { UpstreamGroup } from '../upstream/index.ts'
import type { AccessLog } from './access-log.ts'
import type { RequestContext } from './context.ts'
import { UpstreamPlan } from './forward-plan.ts'
import type { Tables } from './tables.ts'

export interface PipelineOptions {
  readonly tables: Tables
  readonly pool: ConnectionPool
  readonly showUpstreamStatus: boolean
  readonly accessLog: AccessLog | undefined
  readonly log: Logger
}

/** The stages before proxying, in order: the global rules' part of a phase, then the route's. */
const CONSUMER = 2
const FORWARD = 8

/** Takes one request through its plugins to the upstream. Stays synchronous as long as every plugin does. */
export class Pipeline implements ExchangeObserver {
  readonly #options: PipelineOptions
  readonly #context: RequestContext
  readonly #exchange: Exchange
  readonly #global: Chain
  #chain: Chain
  #stage = 0
  #next = 0
  /** Fields of a plugin's answer. */
  #answerHeaders: PluginAnswer['headers']

  constructor(context: RequestContext, options: PipelineOptions) {
    this.#options = options
    this.#context = context
    this.#exchange = context.exchange
    this.#global = options.tables.globalChain
    this.#chain = context.route?.chain ?? EMPTY_CHAIN
    context.exchange.observer = this
  }

  run(): void {
    const broken = this.#context.route?.broken
    if (broken === undefined) this.#advance()
    else this.#exchange.fail(broken)
  }

  #steps(stage: number): readonly Step<Handler>[] {
    switch (stage) {
      case 0:
        return this.#global.rewrite
      case 1:
      case 3:
        return this.#chain.rewrite
      case 4:
        return this.#global.access
      case 5:
        return this.#chain.access
      case 6:
        return this.#global.beforeProxy
      default:
        return this.#chain.beforeProxy
    }
  }

  /** Runs steps from where the request stands; a promise suspends it, an answer ends it. */
  #advance(): void {
    while (this.#stage < FORWARD) {
      if (this.#stage === CONSUMER) {
        // After authentication the consumer's plugins join in.
        try {
          this.#stage += this.#joinConsumer() ? 1 : 2
        } catch (error) {
          this.#crashed({ plugin: `consumers/${this.#context.consumer?.username}` }, error)
          return
        }
        continue
      }
      if (this.#stage === FORWARD - 2 && this.#context.route === undefined) {
        this.#exchange.reply(404, {
          headers: { 'Content-Type': 'application/json' },
          body: '{"error_msg":"404 Route Not Found"}\n',
        })
        return
      }
      const steps = this.#steps(this.#stage)
      while (this.#next < steps.length) {
        if (!this.#runStep(steps[this.#next++] as Step<Handler>)) return
      }
      this.#stage++
      this.#next = 0
    }
    this.#forward()
  }

  /** True if the next step may run now. */
  #runStep(step: Step<Handler>): boolean {
    if (!this.#applies(step)) return true
    let result: PluginResult | Promise<PluginResult>
    try {
      result = step.run(this.#context)
    } catch (error) {
      this.#crashed(step, error)
      return false
    }
    if (result === undefined) return true
    if (!(result instanceof Promise)) {
      this.#answer(result, step)
      return false
    }
    result.then(
      (answer) => {
        if (this.#exchange.ended) return
        if (answer !== undefined) this.#answer(answer, step)
        else this.#advance()
      },
      (error: unknown) => this.#crashed(step, error),
    )
    return false
  }

  #joinConsumer(): boolean {
    const { consumer, route } = this.#context
    if (consumer === undefined || route === undefined) return false
    if (consumer.plugins === undefined && consumer.group_id === undefined) return false
    this.#chain = this.#options.tables.chainFor(route, consumer)
    return true
  }

  #crashed(step: Pick<Step<unknown>, 'plugin'>, error: unknown): void {
    this.#options.log.error(
      { plugin: step.plugin, route: this.#context.route?.id, err: error },
      'plugin failed',
    )
    this.#exchange.fail(500)
  }

  #answer(answer: PluginAnswer, step: Step<unknown>): void {
    const body = answer.status >= 400 && step.errorResponse !== undefined ? step.errorResponse : answer.body
    this.#answerHeaders = answer.headers
    if (body === undefined && answer.status >= 300) {
      this.#exchange.fail(answer.status)
      return
    }
    const plain = typeof body === 'string' || Buffer.isBuffer(body)
    const text = plain ? body : body === undefined ? '' : `${JSON.stringify(body)}\n`
    const type = plain || body === undefined ? 'text/plain; charset=utf-8' : 'application/json'
    this.#exchange.reply(answer.status, { headers: { 'Content-Type': type }, body: text })
  }

  #forward(): void {
    const group = this.#group()
    if (typeof group === 'number') {
      this.#exchange.fail(group)
      return
    }
    const { pool, log } = this.#options
    const plan = new UpstreamPlan(this.#context, group, log)
    new Forward(this.#exchange, plan, pool).start()
  }

  #group(): UpstreamGroup | number {
    const { route, chosenUpstream } = this.#context
    const { upstreams } = this.#options.tables
    if (chosenUpstream instanceof UpstreamGroup) return chosenUpstream
    if (typeof chosenUpstream === 'string') return upstreams.get(chosenUpstream) ?? 500
    if (route?.upstreamId !== undefined) return upstreams.get(route.upstreamId) ?? 502
    return route?.inline ?? 503
  }

  onResponse(response: Response): void {
    const context = this.#context
    const { responseFields } = context
    if (responseFields !== undefined) {
      for (let at = 0; at < responseFields.length; at += 2)
        response.headers.set(responseFields[at] as string, responseFields[at + 1] as string)
    }
    if (this.#answerHeaders !== undefined) {
      for (const [name, value] of Object.entries(this.#answerHeaders)) {
        if (typeof value === 'string') response.headers.set(name, value)
        else for (const one of value) response.headers.add(name, one)
      }
    }
    if (context.upstreamStatus !== '' && (this.#options.showUpstreamStatus || response.status >= 500)) {
      response.headers.set('X-APISIX-Upstream-Status', context.upstreamStatus)
    }
    this.#runHeadFilters(this.#global, response)
    this.#runHeadFilters(this.#chain, response)
    if (this.#global.bodyFilter.length + this.#chain.bodyFilter.length > 0) this.#filterBody()
  }

  #filterBody(): void {
    const context = this.#context
    const filters = [...this.#global.bodyFilter, ...this.#chain.bodyFilter].filter(
      (step) => this.#applies(step) && step.wants?.(context) !== false,
    )
    if (filters.length === 0) return
    this.#exchange.bodyFilter = (chunk, state) => {
      let piece = chunk
      for (const step of filters) piece = step.run(context, piece, state)
      return piece
    }
  }

  #applies(step: Step<unknown>): boolean {
    const { skippedPlugins } = this.#context
    if (skippedPlugins?.has(step.plugin) === true) return false
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

  onFinish(): void {
    this.#runLog(this.#global)
    this.#runLog(this.#chain)
    this.#options.accessLog?.write(this.#context)
  }

  #runLog(chain: Chain): void {
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
