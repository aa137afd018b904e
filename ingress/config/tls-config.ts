import { createSecureContext } from 'node:tls'
import type { TlsConfig } from './gateway-config.ts'
import type { Section } from './section.ts'

const PROTOCOLS = ['TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** `ssl_protocols`, `ssl_ciphers` and `ssl_session_tickets` of `apisix.ssl`, in nginx's form. */
export function tlsConfig(ssl: Section): TlsConfig {
  const protocols = (ssl.string('ssl_protocols') ?? 'TLSv1.2 TLSv1.3')
    .split(/\s+/)
    .filter((name) => name !== '')
  const unknown = protocols.find((name) => !PROTOCOLS.includes(name))
  if (unknown !== undefined || protocols.length === 0)
    throw ssl.error('ssl_protocols', `${JSON.stringify(unknown ?? '')} is not one of ${PROTOCOLS.join(', ')}`)
  const ciphers = ssl.string('ssl_ciphers')
  try {
    createSecureContext(ciphers === undefined ? {} : { ciphers })
  } catch (error) {
    throw ssl.error('ssl_ciphers', error instanceof Error ? error.message : String(error))
  }
  return { protocols, ciphers, sessionTickets: ssl.boolean('ssl_session_tickets') ?? true }
}
