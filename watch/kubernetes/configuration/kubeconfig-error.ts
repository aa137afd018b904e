/** A kubeconfig, or what it refers to, cannot be used. The message names file and field. */
export class KubeconfigError extends Error {
  readonly code = 'KUBECONFIG'

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'KubeconfigError'
  }
}
