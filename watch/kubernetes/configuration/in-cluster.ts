import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { ClusterAccess } from './cluster-access.ts'
import { KubeconfigError } from './kubeconfig-error.ts'
import { TokenFile } from './token-file.ts'

const defaultDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Access with the service account of this pod. A node agent which itself makes the Service address
 * of the API server work has to name the servers (`apiServer`); others may rely on the environment.
 * Throws KubeconfigError.
 */
export function inClusterAccess(options: {
  servers?: readonly URL[] | undefined
  log: Logger
  directory?: string | undefined
  tokenFreshMs?: number | undefined
  environment?: NodeJS.ProcessEnv | undefined
}): ClusterAccess {
  const directory = options.directory ?? defaultDirectory
  const caFile = join(directory, 'ca.crt')
  let namespace = 'default'
  try {
    namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim() || 'default'
    readFileSync(join(directory, 'token'), 'utf8')
  } catch (cause) {
    throw new KubeconfigError(
      `${directory}: no service account is mounted here; run as a pod or give --kubeconfig`,
      { cause },
    )
  }
  return {
    servers: options.servers ?? [serverOfEnvironment(options.environment ?? process.env)],
    tls: async () => ({ ca: await readFile(caFile, 'utf8'), insecure: false }),
    authorization: new TokenFile(join(directory, 'token'), {
      log: options.log,
      ...(options.tokenFreshMs === undefined ? {} : { freshMs: options.tokenFreshMs }),
    }),
    namespace,
    origin: 'the service account of this pod',
    onRenew: () => {},
  }
}

function serverOfEnvironment(environment: NodeJS.ProcessEnv): URL {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT']
  if (host === undefined || host === '' || port === undefined || port === '') {
    throw new KubeconfigError(
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: run as a pod, or name the API server',
    )
  }
  return new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`)
}
