import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { Container, Pod } from '#watch'
import { netnsPath, podNamespaceName } from '../cluster/names.ts'
import { labEnvironment } from '../process/spawn.ts'
import { containerCommand, imageDirectory } from './container-command.ts'
import { containerEnvironment } from './container-env.ts'
import { ContainerRun } from './container-run.ts'
import { AGENT_IMAGE, type KubeletContext } from './context.ts'
import { podHostname } from './hosts-file.ts'
import { podEtcDirectory, removePodFiles, writePodFiles } from './pod-files.ts'
import { attachPod, detachPod } from './pod-network.ts'
import { type PodRecord, removeRecord, specHash, writeRecord } from './pod-record.ts'
import { podStatus, StatusFile } from './pod-status.ts'
import { createSandbox, removeSandbox } from './sandbox.ts'

/** A Pod that runs on this node: its sandbox, its network, its containers, its status file. */
export class PodRun {
  readonly pod: Pod
  readonly #context: KubeletContext
  readonly #log: Logger
  readonly #status: StatusFile
  #containers: ContainerRun[] = []
  #record: PodRecord
  #terminating = false

  private constructor(context: KubeletContext, pod: Pod, record: PodRecord) {
    this.pod = pod
    this.#context = context
    this.#record = record
    this.#log = context.log.child({ object: `Pod ${pod.metadata.namespace}/${pod.metadata.name}` })
    this.#status = new StatusFile(context.lab.status, pod.metadata)
  }

  get specHash(): string {
    return this.#record.specHash
  }

  /** Makes the sandbox, attaches it by CNI and starts the containers. Throws if the sandbox cannot be had. */
  static async start(context: KubeletContext, pod: Pod): Promise<PodRun> {
    const { namespace, name } = pod.metadata
    const { hostNetwork } = pod.spec
    const draft: PodRecord = {
      namespace,
      name,
      hostNetwork,
      sandboxId: randomBytes(32).toString('hex'),
      netns: hostNetwork ? context.nodeNetns : netnsPath(podNamespaceName(context.lab.name, pod.metadata)),
      podIPs: [],
      specHash: specHash(pod),
      startTime: new Date().toISOString(),
      containers: {},
    }
    if (hostNetwork) {
      const run = new PodRun(context, pod, { ...draft, podIPs: [context.hostIP] })
      await run.#begin()
      return run
    }
    const started = performance.now()
    // Recorded before it exists: if this process dies in between, the next one knows what to detach.
    writeRecord(context.node.pods, draft)
    try {
      createSandbox(draft.netns)
      const run = new PodRun(context, pod, { ...draft, podIPs: await attachPod(context, pod, draft) })
      const ms = Math.round(performance.now() - started)
      run.#log.info({ podIPs: run.#record.podIPs, ms }, 'attached to the network')
      await run.#begin()
      return run
    } catch (error) {
      await takeApart(context, draft).catch((cleanup: unknown) =>
        context.log.warn(
          { err: cleanup, object: `Pod ${namespace}/${name}` },
          'the failed start left something',
        ),
      )
      throw error
    }
  }

  /** Takes over what a former kubelet started; undefined if it is not all there or of another spec. */
  static async adopt(context: KubeletContext, pod: Pod, record: PodRecord): Promise<PodRun | undefined> {
    const complete = record.podIPs.length > 0 && existsSync(record.netns)
    if (!complete || record.specHash !== specHash(pod)) return undefined
    const run = new PodRun(context, pod, record)
    await run.#begin()
    return run
  }

  /** Out of the endpoints first, then SIGTERM, grace, SIGKILL; then the network goes, and last the status. */
  async stop(): Promise<void> {
    this.#terminating = true
    this.#publish()
    const graceMs = this.pod.spec.terminationGracePeriodSeconds * 1000
    await Promise.all(this.#containers.map((container) => container.stop(graceMs)))
    await takeApart(this.#context, this.#record)
    this.#status.remove()
    this.#log.info('removed')
  }

  /** The kubelet ends, the Pod stays: stop asking and watching. */
  leave(): void {
    for (const container of this.#containers) container.leave()
  }

  async #begin(): Promise<void> {
    const { pod } = this
    writePodFiles(this.#context, pod, this.#record.podIPs)
    const former = this.#record.containers
    this.#containers = pod.spec.containers.map((container) => this.#container(container))
    await Promise.all(
      this.#containers.map((run, index) => run.begin(former[pod.spec.containers[index]?.name ?? ''])),
    )
    this.#publish()
  }

  #container(container: Container): ContainerRun {
    const { namespace, name } = this.pod.metadata
    const external = this.pod.spec.hostNetwork && container.image === AGENT_IMAGE
    return new ContainerRun({
      pod: this.pod,
      container,
      address: this.#record.podIPs[0] ?? '127.0.0.1',
      command: external ? undefined : () => this.#commandOf(container),
      logFile: path.join(this.#context.lab.logs, 'pods', `${namespace}_${name}_${container.name}.log`),
      log: this.#log,
      onChange: () => this.#publish(),
    })
  }

  #commandOf(container: Container): { argv: readonly string[]; env: Record<string, string> } {
    const { pod } = this
    const { hostIP, dns, lab } = this.#context
    const { variables, unknown } = containerEnvironment(pod, container, {
      podIPs: this.#record.podIPs,
      hostIP,
    })
    for (const what of unknown) this.#log.warn(`env ${what}: the lab does not know this field, left out`)
    const hostname = pod.spec.hostNetwork ? '' : podHostname(pod, dns.clusterDomain).hostname
    return {
      argv: containerCommand({
        container,
        variables,
        netns: this.#record.netns,
        etc: podEtcDirectory(this.#context, this.#record),
        hostname,
        image: imageDirectory(lab.images, container.image),
      }),
      env: labEnvironment(lab.name, {
        ...(hostname === '' ? {} : { HOSTNAME: hostname }),
        ...Object.fromEntries(variables),
      }),
    }
  }

  /** Writes down, for the agents and for the next kubelet, what is the case now. */
  #publish(): void {
    const { pod } = this
    const names = pod.spec.containers.map(({ name }) => name)
    const containers = Object.fromEntries(
      this.#containers.map((run, index) => [names[index] ?? String(index), run.record]),
    )
    this.#record = { ...this.#record, containers }
    writeRecord(this.#context.node.pods, this.#record)
    const { podIPs, startTime } = this.#record
    const views = this.#containers.map(({ view }) => view)
    const { hostIP } = this.#context
    this.#status.write(
      podStatus(pod, { podIPs, hostIP, startTime, containers: views, terminating: this.#terminating }),
    )
  }
}

/** Removes network, namespace, files and record of a Pod, of which no more than the record may be left. */
export async function takeApart(context: KubeletContext, record: PodRecord): Promise<void> {
  if (!record.hostNetwork) {
    await detachPod(context, record)
    await removeSandbox(record.netns)
  }
  removePodFiles(context, record)
  removeRecord(context.node.pods, record)
}
