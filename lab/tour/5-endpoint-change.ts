import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KernelView } from '../cluster/kernel-view.ts'
import { isReady } from '../cluster/pods-ready.ts'
import { writeFileAtomically } from '../cluster/state.ts'
import { LabError, throwIfAborted } from '../errors.ts'
import { now, type Probe, type ProbeResult } from './probe-process.ts'
import type { Tour } from './tour.ts'

const OLD = 'catalog-3'
const NEW = 'catalog-4'
const HEADLESS = 'catalog-pods.shop.svc.cluster.local'
const TIMEOUT_MS = 15_000
/** The gateway takes its endpoints in turn: one that did not answer among so many is out. */
const GATEWAY_ANSWERS = 30

interface Watchers {
  readonly dns: Probe
  readonly gateway: Probe
}

/** A Pod manifest is deleted and another added: kernel rules, DNS answers and gateway upstreams follow. */
export async function endpointChange(tour: Tour): Promise<void> {
  const gateway = tour.service('kube-system/gateway').status.loadBalancer.ingress[0]?.ip ?? ''
  const url = `http://${gateway}/api/catalog`
  const watchers: Watchers = {
    dns: tour.probe('web-1', ['dns', HEADLESS, '--every', '3']),
    gateway: tour.probe('outside', [
      'http',
      url,
      '--host',
      'shop.example.test',
      '--every',
      '3',
      '--keep-alive',
    ]),
  }
  const { signal } = tour
  const started = { since: 0, timeoutMs: TIMEOUT_MS, signal }
  await watchers.dns.first(({ ok }) => ok, { ...started, what: `DNS answers for ${HEADLESS}` })
  await watchers.gateway.first(({ ok }) => ok, { ...started, what: `the gateway answers at ${url}` })
  await remove(tour, watchers)
  await add(tour, watchers)
  const asked = watchers.gateway.results.length
  const failed = watchers.gateway.failures
  tour.expect(
    failed.length === 0 && asked > 0,
    `${asked} requests through the gateway meanwhile, ${failed.length} failed${failed[0] === undefined ? '' : ` (${failed[0].error})`}`,
  )
}

function podFile(tour: Tour, pod: string): string {
  return path.join(tour.cluster.layout.manifests, 'pods', `${pod}.yaml`)
}

async function remove(tour: Tour, { dns, gateway }: Watchers): Promise<void> {
  const address = tour.pod(OLD).status.podIP
  tour.show('host', ['rm', podFile(tour, OLD)])
  const since = now()
  rmSync(podFile(tour, OLD))
  const wait = { since, timeoutMs: TIMEOUT_MS, signal: tour.signal }
  const [kernel, answer] = await Promise.all([
    kernelChange(tour, { address, present: false, since }),
    dns.first(({ ok, addresses }) => ok && !addresses?.includes(address), {
      ...wait,
      what: `DNS forgets ${address}`,
    }),
  ])
  const { last, afterwards } = await gatewayForgets(tour, gateway, since)
  tour.expect(
    afterwards >= GATEWAY_ANSWERS,
    `${OLD} (${address}) left: kernel rules of both nodes after ${ms(kernel - since)}, DNS after ${ms(answer.at - since)}, gateway: ` +
      (last === undefined
        ? 'no request any more from that moment on'
        : `last request ${ms(last.at - since)}`),
  )
}

/** Waits for enough answers of others in a row; `last` is the last one that the old pod gave. */
async function gatewayForgets(
  tour: Tour,
  gateway: Probe,
  since: number,
): Promise<{ last: ProbeResult | undefined; afterwards: number }> {
  for (;;) {
    const answers = gateway.since(since)
    const last = answers.findLast(({ pod }) => pod === OLD)
    const afterwards = answers.filter(({ at, ok }) => ok && at > (last?.at ?? since)).length
    if (afterwards >= GATEWAY_ANSWERS || now() - since > TIMEOUT_MS) return { last, afterwards }
    await sleep(5, undefined, { signal: tour.signal })
  }
}

async function add(tour: Tour, { dns, gateway }: Watchers): Promise<void> {
  const { layout, store } = tour.cluster
  const source = readFileSync(podFile(tour, 'catalog-2'), 'utf8')
  tour.show('host', ['cp', podFile(tour, 'catalog-2'), podFile(tour, NEW)])
  tour.note(`with ${NEW} for its name`)
  const since = now()
  writeFileAtomically(podFile(tour, NEW), source.replaceAll('catalog-2', NEW))
  const wait = { since, timeoutMs: TIMEOUT_MS, signal: tour.signal }
  let address = ''
  while (address === '') {
    const pod = store.get('Pod', `shop/${NEW}`)
    if (pod !== undefined && isReady(pod)) address = pod.status.podIP
    else if (now() - since > TIMEOUT_MS) {
      throw new LabError('LAB_NOT_READY', `Pod shop/${NEW} is not ready (logs: ${layout.logs})`)
    } else await sleep(1, undefined, { signal: tour.signal })
  }
  const ready = now()
  const [kernel, answer, request] = await Promise.all([
    kernelChange(tour, { address, present: true, since }),
    dns.first(({ addresses }) => addresses?.includes(address) === true, {
      ...wait,
      what: `DNS knows ${address}`,
    }),
    gateway.first(({ pod }) => pod === NEW, { ...wait, what: `the gateway sends requests to ${NEW}` }),
  ])
  const after = (at: number) => ms(Math.max(0, at - ready))
  tour.expect(
    true,
    `${NEW} (${address}) made, attached by CNI and ready after ${ms(ready - since)}; from then on:`,
  )
  tour.expect(
    true,
    `kernel rules of both nodes ${after(kernel)}, DNS ${after(answer.at)}, gateway ${after(request.at)}`,
  )
}

/** Resolves to the moment when the kernels of all nodes have (or no longer have) an endpoint. */
async function kernelChange(
  tour: Tour,
  wanted: { address: string; present: boolean; since: number },
): Promise<number> {
  const { layout, plan } = tour.cluster
  for (const { name } of plan.nodes) {
    using kernel = new KernelView(layout.name, name)
    while (kernel.endpoints([wanted.address]).has(wanted.address) !== wanted.present) {
      throwIfAborted(tour.signal)
      if (now() - wanted.since > TIMEOUT_MS) {
        const what = wanted.present ? 'do not have' : 'still have'
        throw new LabError(
          'LAB_NOT_READY',
          `the kernel rules of ${name} ${what} ${wanted.address} after ${ms(TIMEOUT_MS)}`,
        )
      }
      await sleep(1)
    }
  }
  return now()
}

function ms(duration: number): string {
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`
}
