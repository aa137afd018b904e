import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The delegate's configuration of each attachment, kept from ADD to DEL where the reference plugin keeps it:
 * `<dataDir>/<containerID>`. That name has room for one interface per container, so others than eth0 get a file
 * `<containerID>-<ifname>`.
 */
export class KeptConfigurations {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  write(attachment: { containerID: string; ifname: string }, conf: Readonly<Record<string, unknown>>): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const path = this.#pathOf(attachment)
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(conf), { mode: 0o600 })
    renameSync(`${path}.${process.pid}`, path)
  }

  /** undefined when there is none, or none that can be read. */
  read(attachment: { containerID: string; ifname: string }): Record<string, unknown> | undefined {
    return readObject(this.#pathOf(attachment))
  }

  remove(attachment: { containerID: string; ifname: string }): void {
    rmSync(this.#pathOf(attachment), { force: true })
  }

  /** Removes those of `network` whose attachment is not valid. */
  collect(network: string, isValid: (attachment: { containerID: string; ifname: string }) => boolean): void {
    let names: string[]
    try {
      names = readdirSync(this.#directory)
    } catch {
      return
    }
    for (const name of names) {
      if (readObject(join(this.#directory, name))?.['name'] !== network) continue
      // A container ID may have dashes of its own: either reading being valid is enough to stay.
      const dash = name.lastIndexOf('-')
      const split = { containerID: name.slice(0, Math.max(dash, 0)), ifname: name.slice(dash + 1) }
      if (isValid({ containerID: name, ifname: 'eth0' }) || isValid(split)) continue
      rmSync(join(this.#directory, name), { force: true })
    }
  }

  #pathOf({ containerID, ifname }: { containerID: string; ifname: string }): string {
    return join(this.#directory, ifname === 'eth0' ? containerID : `${containerID}-${ifname}`)
  }
}

function readObject(path: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
