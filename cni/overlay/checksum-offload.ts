import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { deviceFeature, setDeviceFeature, UdpKnock } from '#netlink'
import type { Peer } from './peers.ts'

const FEATURE = 'tx-checksum-ip-generic'
/** traceroute's first port: closed everywhere, and answered for. */
const PORT = 33434
const PROBED_PEERS = 3
/** Two knocks a round: within the burst that the kernel's limit for ICMP errors allows (icmp_ratelimit). */
const ROUNDS = 3
const ROUND_MS = 500
/** By then the limit has recovered. */
const CONFIRM_MS = 5000

/**
 * 'good': packets with offloaded checksums arrive. 'broken': only packets without checksum do. 'unknown': none do, so
 * it is not the checksum's fault (a peer that is down, a firewall).
 */
export type OffloadVerdict = 'good' | 'broken' | 'unknown'

/**
 * Some network cards, drivers and kernels compute the checksums of tunnelled packets wrongly when the VXLAN device
 * leaves them to be computed later (flannel#1279, kubernetes#88986): small packets get through seconds late or never.
 * This switches the device's checksum offload as asked, with 'auto' only when a probe of the peers says 'broken'.
 */
export class ChecksumOffload {
  readonly #mode: 'auto' | 'on' | 'off'
  readonly #log: Logger
  #verdict: OffloadVerdict | undefined
  #probed: number | undefined
  readonly #stop = new AbortController()

  constructor(options: { mode: 'auto' | 'on' | 'off'; log: Logger }) {
    this.#mode = options.mode
    this.#log = options.log
  }

  /** Makes the device what was asked for or found out; returns what was done. */
  ensure(device: { index: number; name: string }): string[] {
    const wanted =
      this.#mode === 'on' ? true : this.#mode === 'off' || this.#verdict === 'broken' ? false : undefined
    if (wanted === undefined) return []
    if (deviceFeature({ index: device.index, feature: FEATURE }) === wanted) return []
    setDeviceFeature({ index: device.index, feature: FEATURE, on: wanted })
    return [`set ${device.name} ${FEATURE} ${wanted ? 'on' : 'off'}`]
  }

  /**
   * With 'auto' probes some peers, once for every device; `changed` is called if the device has to be changed then. The
   * probe asks the peers' tunnel addresses, which needs nothing of ours on the other side. IPv4 only: IPv6 has no
   * packets without checksum to compare with.
   */
  probe(device: number, peers: readonly Peer[], changed: () => void): void {
    if (this.#mode !== 'auto' || peers.length === 0 || this.#probed === device) return
    this.#probed = device
    void this.#run(peers).then((verdict) => {
      if (this.#stop.signal.aborted) return
      // Nobody could be asked: perhaps later.
      if (verdict === 'unknown') this.#probed = undefined
      if (verdict === 'broken') {
        this.#log.warn(
          { feature: FEATURE },
          'packets with offloaded checksums do not arrive at any peer, packets without do: offload is switched off',
        )
      }
      const news = verdict === 'broken' && this.#verdict !== 'broken'
      this.#verdict = verdict
      if (news) changed()
    })
  }

  /** Ends a probe at once. */
  stop(): void {
    this.#stop.abort()
  }

  async #run(peers: readonly Peer[]): Promise<OffloadVerdict> {
    const { signal } = this.#stop
    const step = Math.max(1, Math.floor(peers.length / PROBED_PEERS))
    let verdict: OffloadVerdict = 'unknown'
    for (let i = 0; i < peers.length && i < step * PROBED_PEERS; i += step) {
      const gateway = peers[i]?.gateway
      if (gateway === undefined || signal.aborted) break
      const one = await probePeer(gateway, signal).catch(() => 'unknown' as const)
      if (one === 'good') return 'good'
      if (one === 'broken') verdict = 'broken'
    }
    return verdict
  }
}

/**
 * Asks one peer with checksums as the device makes them, and without any, side by side: a peer that comes up meanwhile,
 * or loses a packet, must not look like a broken checksum. What costs throughput is believed the second time only.
 */
export async function probePeer(address: string, signal: AbortSignal): Promise<OffloadVerdict> {
  const verdict = await probeOnce(address, signal)
  if (verdict !== 'broken') return verdict
  await pause(CONFIRM_MS, signal)
  return probeOnce(address, signal)
}

/** Rejects when it is aborted. */
async function probeOnce(address: string, signal: AbortSignal): Promise<OffloadVerdict> {
  using computed = new UdpKnock({ address, port: PORT, checksum: 'computed' })
  using none = new UdpKnock({ address, port: PORT, checksum: 'none' })
  let answers = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    computed.knock()
    none.knock()
    let answered = false
    for (let waited = 0; waited < ROUND_MS; waited += 20) {
      await pause(20, signal)
      if (computed.answered()) return 'good'
      answered ||= none.answered()
    }
    if (answered) answers += 1
  }
  // With two answers, at least one packet with a checksum was sent to a peer known to answer.
  return answers >= 2 ? 'broken' : 'unknown'
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false })
}
