import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { temporaryDirectory } from './gateway.ts'

export interface Pair {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

/** An authority made with openssl that signs certificates for names, as files and PEM text. */
export function authority(t: ExecutionContext): {
  readonly ca: string
  readonly caFile: string
  issue(name: string): Pair
} {
  const directory = temporaryDirectory(t)
  const at = (name: string) => path.join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
  )
  let serial = 0
  return {
    ca: readFileSync(at('ca.pem'), 'utf8'),
    caFile: at('ca.pem'),
    issue(name) {
      const stem = `cert${++serial}`
      writeFileSync(at(`${stem}.ext`), `subjectAltName=DNS:${name}\n`)
      openssl('req', ...key, '-keyout', at(`${stem}.key`), '-out', at(`${stem}.csr`), '-subj', `/CN=${name}`)
      openssl(
        'x509',
        '-req',
        '-in',
        at(`${stem}.csr`),
        '-CA',
        at('ca.pem'),
        '-CAkey',
        at('ca.key'),
        '-set_serial',
        String(serial),
        '-days',
        '2',
        '-extfile',
        at(`${stem}.ext`),
        '-out',
        at(`${stem}.pem`),
      )
      const certFile = at(`${stem}.pem`)
      const keyFile = at(`${stem}.key`)
      return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
    },
  }
}
