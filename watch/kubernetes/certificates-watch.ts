import { hash } from 'node:crypto'
import type { Logger } from 'pino'
import type { ClusterAccess } from './configuration/cluster-access.ts'

/** Compares the certificates on disk with those in use now and then; calls `onChange` when they differ. */
export class CertificatesWatch {
  readonly #timer: NodeJS.Timeout
  #digest: string | undefined

  constructor(options: { access: ClusterAccess; everyMs: number; log: Logger; onChange: () => void }) {
    const { access, everyMs, log, onChange } = options
    const look = async (): Promise<void> => {
      try {
        const { ca, cert, key } = await access.tls()
        const digest = hash('sha256', JSON.stringify([ca, cert, key]))
        if (this.#digest !== undefined && this.#digest !== digest) {
          log.info({ origin: access.origin }, 'certificates changed; new connections use them')
          onChange()
        }
        this.#digest = digest
      } catch (error) {
        // Being replaced just now, or gone: the connection there is goes on.
        log.warn({ err: error }, 'certificates cannot be read; the connection in use stays')
      }
    }
    this.#timer = setInterval(() => void look(), everyMs)
    this.#timer.unref()
    void look()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
