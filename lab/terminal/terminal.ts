const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Style = keyof typeof CODES

/** Where the lab prints: colours and lines that change on a terminal, plain lines in a pipe or with NO_COLOR. */
export class Terminal {
  readonly #stream: NodeJS.WriteStream
  readonly #lively: boolean

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream
    this.#lively = stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
    // A reader that went away (`| head`) must not keep the lab from tearing down.
    stream.on('error', () => {})
  }

  paint(text: string, ...styles: readonly Style[]): string {
    if (!this.#lively) return text
    return `${styles.map((style) => `\x1b[${CODES[style]}m`).join('')}${text}\x1b[0m`
  }

  line(text = ''): void {
    this.#stream.write(`${text}\n`)
  }

  /** Shows a line that the next `transient` or `settle` replaces; nothing in a pipe. */
  transient(text: string): void {
    if (this.#lively) this.#stream.write(`\r\x1b[K${text.slice(0, (this.#stream.columns || 80) - 1)}`)
  }

  /** Replaces the transient line by one that stays. */
  settle(text: string): void {
    this.#stream.write(`${this.#lively ? '\r\x1b[K' : ''}${text}\n`)
  }

  mark(holds: boolean): string {
    return holds ? this.paint('✓', 'green', 'bold') : this.paint('✗', 'red', 'bold')
  }
}
