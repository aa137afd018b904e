import { rmSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Pod, PodPhase } from '#watch'
import { writeFileAtomically } from '../cluster/state.ts'

/** A container as the Pod's status shows it. */
export interface ContainerView {
  readonly name: string
  readonly state: 'waiting' | 'running' | 'terminated'
  readonly ready: boolean
  readonly restarts: number
  /** Why it waits or how it ended. */
  readonly reason?: string | undefined
  readonly exitCode?: number | undefined
  /** What its readiness probe found when it stopped being ready. */
  readonly unready?: string | undefined
}

export interface PodStatusView {
  readonly podIPs: readonly string[]
  readonly hostIP: string
  /** RFC 3339. */
  readonly startTime: string
  readonly containers: readonly ContainerView[]
  /** True from the moment the Pod is told to go. */
  readonly terminating: boolean
  /** Why there is no sandbox yet, e.g. the error of CNI ADD. */
  readonly message?: string | undefined
}

/** The phase by the containers' states (pkg/kubelet/kubelet_pods.go getPhase, without init containers). */
export function podPhase(pod: Pod, containers: readonly ContainerView[]): PodPhase {
  if (containers.length < pod.spec.containers.length) return 'Pending'
  if (containers.some(({ state }) => state === 'running')) return 'Running'
  const ended = containers.every(({ state }) => state === 'terminated')
  if (!ended || pod.spec.restartPolicy === 'Always') {
    // A container between two attempts counts as running; one that never ran keeps the Pod pending.
    return containers.some(({ restarts, state }) => restarts > 0 || state === 'terminated')
      ? 'Running'
      : 'Pending'
  }
  return containers.some(({ exitCode }) => exitCode !== 0) ? 'Failed' : 'Succeeded'
}

/** The `status` document of a Pod as the API server would keep it. */
export function podStatus(pod: Pod, view: PodStatusView): Record<string, unknown> {
  const ready =
    !view.terminating &&
    view.containers.length === pod.spec.containers.length &&
    view.containers.every((container) => container.ready)
  const unready = view.containers.flatMap(({ name, unready }) =>
    unready === undefined ? [] : [`container ${name}: ${unready}`],
  )[0]
  const condition = (type: string, status: boolean, message?: string) => ({
    type,
    status: status ? 'True' : 'False',
    ...(message === undefined ? {} : { message }),
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: pod.metadata.namespace, name: pod.metadata.name },
    status: {
      phase: podPhase(pod, view.containers),
      startTime: view.startTime,
      hostIP: view.hostIP,
      hostIPs: [{ ip: view.hostIP }],
      ...(view.podIPs[0] === undefined
        ? {}
        : { podIP: view.podIPs[0], podIPs: view.podIPs.map((ip) => ({ ip })) }),
      conditions: [
        condition('PodScheduled', true),
        condition('PodReadyToStartContainers', view.podIPs.length > 0, view.message),
        condition('Initialized', true),
        condition('ContainersReady', ready, unready),
        condition('Ready', ready),
      ],
      containerStatuses: view.containers.map((container) => ({
        name: container.name,
        ready: container.ready,
        restartCount: container.restarts,
        state: {
          [container.state]: {
            ...(container.reason === undefined ? {} : { reason: container.reason }),
            ...(container.exitCode === undefined ? {} : { exitCode: container.exitCode }),
          },
        },
      })),
    },
  }
}

/** The status subresource of one Pod: a file the agents' manifest source lays over the object. */
export class StatusFile {
  readonly #file: string
  #written = ''

  constructor(directory: string, pod: { namespace: string; name: string }) {
    this.#file = path.join(directory, `${pod.namespace}.${pod.name}.status.yaml`)
  }

  /** Writes what differs from the last time. */
  write(document: Record<string, unknown>): void {
    const text = stringify(document)
    if (text === this.#written) return
    writeFileAtomically(this.#file, text)
    this.#written = text
  }

  remove(): void {
    rmSync(this.#file, { force: true })
    this.#written = ''
  }
}
