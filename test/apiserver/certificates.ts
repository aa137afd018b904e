import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** A certificate authority and a certificate for localhost, made with openssl. */
export function makeCertificates(commonName = 'localhost'): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'plexus-certificates-'))
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  try {
    writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
    openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=plexus-test-ca')
    openssl('req', ...newKey.slice(0, 5), '-keyout', 'key', '-out', 'csr', '-subj', `/CN=${commonName}`)
    openssl(
      'x509',
      '-req',
      '-in',
      'csr',
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'names',
      '-out',
      'cert',
    )
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
    return { ca: read('ca.crt'), cert: read('cert'), key: read('key') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
