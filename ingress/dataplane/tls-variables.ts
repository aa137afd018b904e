import type { Handshake, Transport } from '../http/index.ts'
import type { RequestContext } from './context.ts'

type Read = (context: RequestContext) => string | undefined

function transportOf({ exchange }: RequestContext): Transport {
  return exchange.connection.transport
}

const handshake =
  (read: (made: Handshake, transport: Transport) => string | undefined): Read =>
  (context) => {
    const transport = transportOf(context)
    const made = transport.handshake?.()
    return made === undefined ? undefined : read(made, transport)
  }

/** A name as RFC 2253 §2 writes it, the most specific part first. */
function distinguished(name: string | undefined): string | undefined {
  return name?.split('\n').reverse().join(',')
}

/** ngx_http_ssl_module's variables. */
export const TLS_VARIABLES: Readonly<Record<string, Read>> = {
  ssl_server_name: (context) => transportOf(context).servername,
  ssl_protocol: handshake(({ protocol }) => protocol),
  ssl_cipher: handshake(({ cipher }) => cipher),
  ssl_session_reused: handshake(({ resumed }) => (resumed ? 'r' : '.')),
  ssl_client_verify: handshake(({ certificate }, { verified }) => {
    if (certificate === undefined) return 'NONE'
    return verified === true ? 'SUCCESS' : 'FAILED'
  }),
  ssl_client_s_dn: handshake(({ certificate }) => distinguished(certificate?.subject)),
  ssl_client_i_dn: handshake(({ certificate }) => distinguished(certificate?.issuer)),
  ssl_client_serial: handshake(({ certificate }) => certificate?.serialNumber),
  ssl_client_fingerprint: handshake(({ certificate }) =>
    certificate?.fingerprint.replaceAll(':', '').toLowerCase(),
  ),
  ssl_client_v_start: handshake(({ certificate }) => certificate?.validFrom),
  ssl_client_v_end: handshake(({ certificate }) => certificate?.validTo),
  ssl_client_raw_cert: handshake(({ certificate }) => certificate?.toString()),
  ssl_client_escaped_cert: handshake(({ certificate }) =>
    certificate === undefined ? undefined : encodeURIComponent(certificate.toString()),
  ),
}
