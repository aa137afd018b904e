import type { Logger } from 'pino'
import { deviceFeature, setDeviceFeature, UdpKnock } from '#netlink'
import type { Peer } from './peers.ts'

const FEATURE = 'tx-checksum-ip-generic'
/** traceroute's first port: closed everywhere, and answered for. */
const PORT = 33434
const PROBED_PEERS = 3
/** Within the burst that the kernel's limit for ICMP errors allows (icmp_ratelimit). */
const KNOCKS = 3
const KNOCK_MS = 400

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
  #stopped = false

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
      if (this.#stopped) return
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

  stop(): void {
    this.#stopped = true
  }

  async #run(peers: readonly Peer[]): Promise<OffloadVerdict> {
    const step = Math.max(1, Math.floor(peers.length / PROBED_PEERS))
    let verdict: OffloadVerdict = 'unknown'
    for (let i = 0; i < peers.length && i < step * PROBED_PEERS; i += step) {
      const gateway = peers[i]?.gateway
      if (gateway === undefined || this.#stopped) break
      const one = await probePeer(gateway).catch(() => 'unknown' as const)
      if (one === 'good') return 'good'
      if (one === 'broken') verdict = 'broken'
    }
    return verdict
  }
}

/** Asks one peer with checksums as the device makes them, then without any. */
export async function probePeer(address: string): Promise<OffloadVerdict> {
  if (await answers(address, 'computed')) return 'good'
  return (await answers(address, 'none')) ? 'broken' : 'unknown'
}

async function answers(address: string, checksum: 'computed' | 'none'): Promise<boolean> {
  using knock = new UdpKnock({ address, port: PORT, checksum })
  for (let i = 0; i < KNOCKS; i += 1) {
    knock.knock()
    for (let waited = 0; waited < KNOCK_MS; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20).unref())
      if (knock.answered()) return true
    }
  }
  return false
}
