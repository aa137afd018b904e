import type { Logger } from 'pino'
import type { Problem } from '../source.ts'

/** Logs each problem when it appears and once more when the last of a file is gone. */
export class ProblemLog {
  readonly #log: Logger
  #present = new Map<string, Problem>()
  readonly #warned = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
  }

  update(problems: Iterable<Problem>): void {
    const now = new Map<string, Problem>()
    for (const problem of problems) now.set(describeProblem(problem), problem)
    for (const [text, problem] of now) {
      if (this.#present.has(text)) continue
      if (problem.severity === 'error') this.#log.error({ ...problem }, text)
      else if (!this.#warned.has(problem.message)) {
        this.#warned.add(problem.message)
        this.#log.warn({ ...problem }, text)
      }
    }
    const files = new Set([...now.values()].filter(isError).map(({ file }) => file))
    const repaired = new Set([...this.#present.values()].filter(isError).map(({ file }) => file))
    for (const file of repaired) {
      if (!files.has(file)) this.#log.info({ file }, `${file}: all problems are gone`)
    }
    this.#present = now
  }
}

/** `shop/catalog.yaml:12:9: Service shop/catalog spec.ports[0].port is 0; expected ...` */
export function describeProblem(problem: Problem): string {
  const { file, line, column, object, field, message } = problem
  const place = [file, line, column].filter((part) => part !== undefined).join(':')
  const subject = [object, field].filter((part) => part !== undefined && part !== '').join(' ')
  return [place === '' ? '' : `${place}:`, subject, message].filter((part) => part !== '').join(' ')
}

function isError(problem: Problem): boolean {
  return problem.severity === 'error'
}
