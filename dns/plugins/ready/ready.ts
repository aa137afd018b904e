import type { Plugin } from '../../core/plugin.ts'

/** Which plugins are not ready yet. With 'until-ready' a plugin that was ready once is not asked again. */
export class Readiness {
  readonly #plugins: () => readonly Plugin[]
  readonly #monitor: 'until-ready' | 'continuously'
  readonly #seen = new WeakSet<Plugin>()

  constructor(plugins: () => readonly Plugin[], monitor: 'until-ready' | 'continuously') {
    this.#plugins = plugins
    this.#monitor = monitor
  }

  /** Names, sorted, each once. */
  unready(): string[] {
    const names = new Set<string>()
    for (const plugin of this.#plugins()) {
      if (this.#monitor === 'until-ready' && this.#seen.has(plugin)) continue
      if (plugin.ready?.() === false) names.add(plugin.name)
      else this.#seen.add(plugin)
    }
    return [...names].sort()
  }
}
