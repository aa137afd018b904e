import { readFile } from 'node:fs/promises'
import { noAuthorization } from './authorization.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { KubeconfigError } from './kubeconfig-error.ts'

/** Paths of PEM files; without any, an API server that asks nobody who he is. */
export interface CertificateFiles {
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  readonly authority?: string | undefined
}

/** Access to API servers that are named one by one. The files are read again for each connection. */
export function certificateAccess(servers: readonly URL[], files: CertificateFiles): ClusterAccess {
  return {
    servers,
    tls: async () => ({
      ca: await textOf(files.authority),
      cert: await textOf(files.certificate),
      key: await textOf(files.key),
      insecure: false,
    }),
    authorization: noAuthorization,
    namespace: 'default',
    origin: servers.map(({ href }) => href).join(', '),
    onRenew: () => {},
  }
}

async function textOf(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new KubeconfigError(`${file}: cannot be read: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}
