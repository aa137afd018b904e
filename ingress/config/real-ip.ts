import { AddressSet } from '../route/index.ts'
import type { Section } from './section.ts'

/** nginx's realip module: peers that name the client in a field. */
export interface RealIpConfig {
  readonly from: readonly string[]
  /** In lower case. */
  readonly header: string
  readonly recursive: boolean
}

/** `nginx_config.http.real_ip_*`; undefined unless `real_ip_from` lists somebody. `unix:` means nothing here. */
export function realIp(http: Section): RealIpConfig | undefined {
  const header = (http.string('real_ip_header') ?? 'X-Real-IP').toLowerCase()
  const recursive = http.raw('real_ip_recursive')
  const from = (http.strings('real_ip_from') ?? []).filter((one) => one !== 'unix:')
  try {
    new AddressSet(from)
  } catch (cause) {
    throw http.error('real_ip_from', cause instanceof Error ? cause.message : String(cause))
  }
  return from.length === 0 ? undefined : { from, header, recursive: recursive === true || recursive === 'on' }
}
