/** `checks` of an upstream, defaults filled in by the schema. Times in seconds; a count of 0 switches its check off. */
export interface ActiveChecks {
  readonly type: 'http' | 'https' | 'tcp'
  readonly timeout: number
  readonly concurrency: number
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly http_method?: string | undefined
  readonly http_path: string
  readonly https_verify_certificate: boolean
  readonly req_headers?: readonly string[] | undefined
  readonly healthy: HealthyRule & { readonly interval: number }
  readonly unhealthy: UnhealthyRule & { readonly interval: number }
}

export interface PassiveChecks {
  readonly healthy: HealthyRule
  readonly unhealthy: UnhealthyRule
}

export interface HealthyRule {
  readonly http_statuses: readonly number[]
  readonly successes: number
}

export interface UnhealthyRule {
  readonly http_statuses: readonly number[]
  readonly http_failures: number
  readonly tcp_failures: number
  readonly timeouts: number
}

export interface Checks {
  readonly active?: ActiveChecks | undefined
  readonly passive?: PassiveChecks | undefined
}
