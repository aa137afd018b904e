import type { Logger } from 'pino'
import type { Pod, Store } from '#watch'
import type { KubeletContext } from './context.ts'
import { readRecords } from './pod-record.ts'
import { PodWorker } from './pod-worker.ts'

/**
 * Runs the Pods that the manifests place on one node. Stopping it leaves the Pods running, as stopping kubelet does;
 * the next one adopts them.
 */
export class Kubelet {
  readonly #context: KubeletContext
  readonly #log: Logger
  readonly #workers = new Map<string, PodWorker>()
  #close: () => void = () => {}

  constructor(context: KubeletContext) {
    this.#context = context
    this.#log = context.log
  }

  /** Adopts what a former kubelet recorded, and follows the store from now on. */
  start(store: Store): void {
    for (const record of readRecords(this.#context.node.pods)) {
      const key = `${record.namespace}/${record.name}`
      this.#workers.set(key, new PodWorker({ context: this.#context, key, former: record }))
    }
    const subscription = store.subscribe({ name: 'kubelet', kinds: ['Pod'], coalesceMs: 1 }, (changes) => {
      const wanted = new Map<string, Pod | undefined>()
      if (changes.initial) for (const key of this.#workers.keys()) wanted.set(key, undefined)
      for (const [key, { after }] of changes.objects('Pod')) wanted.set(key, this.#mine(after))
      for (const [key, pod] of wanted) this.#want(key, pod)
    })
    this.#close = () => subscription.close()
  }

  /** Ends the kubelet, not the Pods. */
  async stop(): Promise<void> {
    this.#close()
    await Promise.all([...this.#workers.values()].map((worker) => worker.close()))
  }

  #mine(pod: Pod | undefined): Pod | undefined {
    const mine = pod?.spec.nodeName === this.#context.node.name
    return mine && pod.metadata.deletionTimestamp === undefined ? pod : undefined
  }

  #want(key: string, pod: Pod | undefined): void {
    let worker = this.#workers.get(key)
    if (worker === undefined) {
      if (pod === undefined) return
      worker = new PodWorker({ context: this.#context, key })
      this.#workers.set(key, worker)
    }
    const told = worker
    told.want(pod).then(
      () => {
        if (told.idle && this.#workers.get(key) === told) this.#workers.delete(key)
      },
      (error: unknown) => this.#log.error({ err: error, object: `Pod ${key}` }, 'worker failed'),
    )
  }
}
