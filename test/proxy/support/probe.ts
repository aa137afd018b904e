import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestNamespace } from '../../support/index.ts'

const program = fileURLToPath(new URL('./probe-program.ts', import.meta.url))

export interface Target {
  readonly protocol?: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  readonly localPort?: number
  readonly timeoutMs?: number
}

/** A process in a namespace that serves and calls with real sockets. */
export class Probe {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: string) => void>()
  #next = 0

  constructor(namespace: TestNamespace) {
    const [file = '', ...args] = namespace.argv([process.execPath, program])
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('the probe has no stdout')
    createInterface({ input: stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string }
      this.#waiting.get(id)?.(answer)
      this.#waiting.delete(id)
    })
  }

  /** Serves under a name which the answers begin with. */
  async listen(name: string, target: Target): Promise<void> {
    const answer = await this.#ask({ action: 'listen', name, ...target })
    if (answer !== 'listening') throw new Error(`${name} cannot listen: ${answer}`)
  }

  /** The answer ("<server> <client address as the server saw it> <port>"), an errno, or TIMEOUT. */
  call(target: Target): Promise<string> {
    return this.#ask({ action: 'call', ...target })
  }

  /** Names of the servers that answered `count` calls made at once, sorted and distinct; errors are among them. */
  async servers(target: Target, count = 24): Promise<string[]> {
    const answers = await Promise.all(Array.from({ length: count }, () => this.call(target)))
    return [...new Set(answers.map((answer) => answer.split(' ')[0] ?? ''))].sort()
  }

  /** Opens a TCP connection and keeps it under a name; `talk` then asks over it. */
  hold(name: string, target: Target): Promise<string> {
    return this.#ask({ action: 'hold', name, ...target })
  }

  talk(name: string): Promise<string> {
    return this.#ask({ action: 'talk', name, address: '', port: 0 })
  }

  close(): void {
    this.#child.stdin?.end()
  }

  #ask(ask: object): Promise<string> {
    const id = this.#next++
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#child.stdin?.write(`${JSON.stringify({ id, protocol: 'tcp', ...ask })}\n`)
    })
  }
}
