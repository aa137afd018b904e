import type { CniCall } from './protocol/plugin.ts'

/** What takes back a step that succeeded. */
export type UndoStep = () => unknown

/**
 * Runs an ADD that notes how to undo each step it has done; when it fails they are undone, last one first. A failing
 * undo is logged and does not keep the others from running.
 */
export async function undoing<T>(call: CniCall, body: (undo: UndoStep[]) => Promise<T>): Promise<T> {
  const undo: UndoStep[] = []
  try {
    return await body(undo)
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step()
      } catch (failure) {
        const object = `container ${call.containerID}`
        call.log?.error({ err: failure, object }, 'CNI ADD: could not undo a step')
      }
    }
    throw error
  }
}

/** Runs steps that do not depend on each other's success, and throws the first failure when all have run. */
export class Attempts {
  readonly #problems: unknown[] = []

  async run<T>(body: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await body()
    } catch (error) {
      this.#problems.push(error)
      return undefined
    }
  }

  finish(): void {
    if (this.#problems.length > 0) throw this.#problems[0]
  }
}
