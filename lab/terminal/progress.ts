import { isAborted } from '../errors.ts'
import type { Terminal } from './terminal.ts'

/** Tells what is being done while a lab comes up or goes down. */
export interface Progress {
  /** Does `work` under a title; `update` may say how far it is. The line that stays tells what came of it and how long it took. */
  step<T>(
    title: string,
    work: (update: (detail: string) => void) => T | Promise<T>,
    result?: (value: T) => string,
  ): Promise<T>
}

export function terminalProgress(terminal: Terminal): Progress {
  return {
    async step(title, work, result) {
      const started = performance.now()
      const show = (detail: string) => terminal.transient(`  … ${title}${detail === '' ? '' : `: ${detail}`}`)
      show('')
      try {
        const value = await work(show)
        const took = terminal.paint(`${Math.round(performance.now() - started)} ms`, 'dim')
        const outcome = result === undefined ? '' : `: ${result(value)}`
        terminal.settle(`  ${terminal.mark(true)} ${title}${outcome} ${took}`)
        return value
      } catch (error) {
        terminal.settle(`  ${terminal.mark(false)} ${title}${isAborted(error) ? ': interrupted' : ''}`)
        throw error
      }
    },
  }
}
