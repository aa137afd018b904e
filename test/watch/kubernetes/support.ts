import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import {
  type KubernetesSource,
  type KubernetesSourceOptions,
  kubernetesSource,
  openStore,
  type Store,
} from '#watch'
import { ApiServer, type ApiServerOptions } from '../../apiserver/api-server.ts'
import { testDirectory } from '../../support/index.ts'
import { log } from '../objects.ts'

/** client-go's times, made short. */
export const quick = {
  backoff: { baseMs: 20, capMs: 200, resetMs: 60_000 },
  progressMs: 400,
  ping: { silenceMs: 800, answerMs: 800 },
  http1SilenceMs: 1600,
  connectTimeoutMs: 1000,
  watchSeconds: 60,
  discoveryMs: 100,
  certificatesMs: 100,
  tokenFreshMs: 100,
}

export interface Cluster {
  readonly server: ApiServer
  readonly source: KubernetesSource
  readonly directory: string
  /** opens the store; resolves when everything is there */
  open(): Promise<Store>
}

/** A test API server and a source on it, ended with the test. */
export async function cluster(
  t: ExecutionContext,
  serverOptions: ApiServerOptions = {},
  options: Partial<KubernetesSourceOptions> = {},
): Promise<Cluster> {
  const directory = testDirectory(t, 'kubernetes')
  const server = await ApiServer.start(serverOptions)
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
  const source = kubernetesSource({ kubeconfig, log, ...options, timing: { ...quick, ...options.timing } })
  const stores: Store[] = []
  t.teardown(async () => {
    await source.stop()
    for (const store of stores) await store.close()
    await server.stop()
  })
  const open = async (): Promise<Store> => {
    const store = await openStore({ source, log })
    stores.push(store)
    return store
  }
  return { server, source, directory, open }
}
