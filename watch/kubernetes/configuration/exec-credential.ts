import { spawn } from 'node:child_process'
import { KubeconfigError } from './kubeconfig-error.ts'

/** `exec` of a user in a kubeconfig (client.authentication.k8s.io). */
export interface ExecSettings {
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly installHint: string
  /** cluster facts for KUBERNETES_EXEC_INFO, if provideClusterInfo is set */
  readonly cluster?: Readonly<Record<string, unknown>> | undefined
}

export interface ExecCredential {
  readonly token?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  /** ms since the epoch; undefined: until the server rejects it */
  readonly expires?: number | undefined
}

const leewayMs = 10_000

/** Credentials from a plugin program, kept until they expire or are rejected; one call at a time. */
export class ExecPlugin {
  readonly #settings: ExecSettings
  readonly #where: string
  readonly #onCertificate: () => void
  #credential: ExecCredential | undefined
  #rejected = false
  #call: Promise<ExecCredential> | undefined

  /** `onCertificate` is called when a new client certificate came: connections have to be renewed. */
  constructor(settings: ExecSettings, options: { where: string; onCertificate: () => void }) {
    this.#settings = settings
    this.#where = options.where
    this.#onCertificate = options.onCertificate
  }

  async credential(): Promise<ExecCredential> {
    const { expires } = this.#credential ?? {}
    const stale = this.#rejected || (expires !== undefined && expires - leewayMs < Date.now())
    if (this.#credential !== undefined && !stale) return this.#credential
    this.#call ??= this.#run().finally(() => (this.#call = undefined))
    return this.#call
  }

  /** The server refused this token (undefined: the certificate). One that came meanwhile stays. */
  rejected(token: string | undefined): void {
    if (this.#credential?.token === token) this.#rejected = true
  }

  async #run(): Promise<ExecCredential> {
    const { apiVersion, command, args, env, cluster, installHint } = this.#settings
    const info = {
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(cluster === undefined ? {} : { cluster }) },
    }
    const fail = (message: string, cause?: unknown): KubeconfigError =>
      new KubeconfigError(
        `${this.#where}: ${command} ${message}${installHint === '' ? '' : `; ${installHint}`}`,
        { cause },
      )
    const output = await new Promise<string>((resolve, reject) => {
      const child = spawn(command, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
          KUBERNETES_EXEC_INFO: JSON.stringify(info),
        },
        timeout: 60_000,
      })
      let out = ''
      let err = ''
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
      child.once('error', (cause) => reject(fail(`cannot be run: ${cause.message}`, cause)))
      child.once('close', (code) => {
        if (code === 0) resolve(out)
        else reject(fail(`ended with ${code ?? 'a signal'}: ${err.trim().slice(0, 500)}`))
      })
    })
    const credential = readCredential(output, apiVersion, fail)
    if (
      this.#credential?.certificate !== undefined &&
      credential.certificate !== this.#credential.certificate
    ) {
      this.#onCertificate()
    }
    this.#credential = credential
    this.#rejected = false
    return credential
  }
}

function readCredential(
  output: string,
  apiVersion: string,
  fail: (message: string, cause?: unknown) => KubeconfigError,
): ExecCredential {
  let parsed: unknown
  try {
    parsed = JSON.parse(output)
  } catch (cause) {
    throw fail('printed no JSON; expected an ExecCredential', cause)
  }
  const credential = (parsed ?? {}) as {
    apiVersion?: unknown
    kind?: unknown
    status?: Record<string, unknown>
  }
  if (credential.kind !== 'ExecCredential' || credential.apiVersion !== apiVersion) {
    throw fail(`printed ${credential.apiVersion} ${credential.kind}; expected ${apiVersion} ExecCredential`)
  }
  const text = (name: string): string | undefined => {
    const value = credential.status?.[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const expiration = text('expirationTimestamp')
  const found: ExecCredential = {
    token: text('token'),
    certificate: text('clientCertificateData'),
    key: text('clientKeyData'),
    expires: expiration === undefined ? undefined : Date.parse(expiration),
  }
  if (found.token === undefined && (found.certificate === undefined || found.key === undefined)) {
    throw fail('gave neither status.token nor status.clientCertificateData with status.clientKeyData')
  }
  return found
}
