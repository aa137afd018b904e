import type { Plugins } from '../objects/index.ts'
import type { OwnedState } from '../plugins/plugin.ts'

/** What plugins keep in this process beyond the life of a compiled object, and of a configuration. */
export class PluginStates {
  readonly #states = new Map<string, Map<string, unknown>>()

  of(plugin: string): Map<string, unknown> {
    const state = this.#states.get(plugin) ?? new Map<string, unknown>()
    this.#states.set(plugin, state)
    return state
  }

  /** Ends what plugins keep for an object that it does not have (any more). */
  end(owner: string, plugins: Plugins): void {
    for (const [plugin, state] of this.#states) {
      if (Object.hasOwn(plugins, plugin)) continue
      const owned = state.get(owner) as OwnedState | undefined
      if (state.delete(owner)) owned?.close()
    }
  }
}
