/** A KubeProxyConfiguration that cannot be used. `field` is the path inside the document, e.g. `nftables.syncPeriod`. */
export class ProxyConfigurationError extends Error {
  readonly code = 'PROXY_CONFIG_INVALID'
  readonly file: string
  readonly field: string | undefined

  constructor(file: string, field: string | undefined, problem: string, options?: { cause?: unknown }) {
    super(`${file}: ${field === undefined ? '' : `${field}: `}${problem}`, options)
    this.name = 'ProxyConfigurationError'
    this.file = file
    this.field = field
  }
}
