// The components of a running agent, kept in line with its configuration.
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { contentOf } from './changed-files.ts'
import type { Component } from './component.ts'
import { type ComponentContext, componentDefinitions, startOrder } from './components.ts'
import type { AgentConfiguration, ComponentName } from './configuration.ts'
import { SupervisedComponent } from './supervised-component.ts'

/** What a component was started from: a difference is a reason to start it anew. */
interface Basis {
  readonly section: unknown
  readonly files: readonly (string | undefined)[]
}

interface Entry {
  readonly component: SupervisedComponent
  basis: Basis
}

export interface ComponentSetOptions {
  readonly log: Logger
  /** Where the components are listed for health and queries, after what is there already. */
  readonly list: Component[]
  /** Metrics by component; a component that is started again begins with an empty registry. */
  readonly registries: Map<string, Registry>
  readonly context: Omit<ComponentContext, 'log' | 'metrics'>
}

export class ComponentSet {
  readonly #options: ComponentSetOptions
  readonly #entries = new Map<ComponentName, Entry>()
  #config: AgentConfiguration

  constructor(config: AgentConfiguration, options: ComponentSetOptions) {
    this.#config = config
    this.#options = options
  }

  /**
   * Starts what `config` switches on, stops what it no longer does, and starts anew what is configured otherwise than it
   * runs; the rest is not touched. Resolves when each had its first attempt to start.
   */
  async apply(config: AgentConfiguration): Promise<void> {
    this.#config = config
    for (const name of startOrder) {
      const entry = this.#entries.get(name)
      if (config[name] === undefined) await this.#stop(name)
      else if (entry === undefined) await this.#start(name)
      else await this.#follow(name, entry)
    }
  }

  /** Stops all, the last started first. */
  async stop(): Promise<void> {
    for (const name of startOrder.toReversed()) await this.#stop(name)
  }

  async #start(name: ComponentName): Promise<void> {
    const { list, registries, context } = this.#options
    const log = this.#options.log.child({ component: name })
    const component = new SupervisedComponent(name, {
      log,
      start: () => {
        const metrics = new Registry()
        registries.set(name, metrics)
        const healthOf = (other: ComponentName) => this.#entries.get(other)?.component.health()
        const own = { ...context, log, metrics, healthOf }
        return componentDefinitions[name].start(this.#config, own, () => this.#config)
      },
    })
    this.#entries.set(name, { component, basis: this.#basis(name) })
    list.push(component)
    await component.start()
  }

  async #follow(name: ComponentName, entry: Entry): Promise<void> {
    const basis = this.#basis(name)
    const same = isDeepStrictEqual(basis, entry.basis)
    entry.basis = basis
    if (same) await entry.component.reload()
    else await entry.component.restart()
  }

  async #stop(name: ComponentName): Promise<void> {
    const { list, registries } = this.#options
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#entries.delete(name)
    registries.delete(name)
    list.splice(list.indexOf(entry.component), 1)
    await entry.component.stop()
  }

  #basis(name: ComponentName): Basis {
    const { files, takesOver = false } = componentDefinitions[name]
    return {
      section: takesOver ? undefined : this.#config[name],
      files: files(this.#config).map(contentOf),
    }
  }
}
