import {
  type NftExpression,
  type NftFamily,
  type NftRule,
  type NftSocket,
  NftTransaction,
  nft,
} from '#netlink'

/** The packet mark of kube-proxy (and of our proxy): it masquerades such packets itself. */
const MASQUERADE_MARK = 0x4000

const TABLE = 'plexus-overlay'
const SRCNAT = 100
const FILTER = 0

export interface RuleSpec {
  family: 4 | 6
  /** The cluster's pod network. */
  network: string
  /** This node's pod network. */
  subnet: string
  /** Masquerade what leaves the pod network; 'plain': with the kernel's own choice of ports. */
  masquerade: 'random' | 'plain' | 'off'
  /** Accept forwarded packets from and to pods. */
  forward: boolean
}

interface NamedRule {
  readonly chain: 'postrouting' | 'forward'
  readonly comment: string
  readonly expressions: readonly (readonly NftExpression[])[]
}

/**
 * flannel's rules as its iptables form means them. Its nftables form tests for the whole mark and makes the last rule
 * unreachable; here the mark is one bit, and traffic from elsewhere to our own pods keeps its source (it was let in
 * here) while traffic from elsewhere through us to other nodes' pods is masqueraded, so that answers come back this way.
 */
function wantedRules(spec: RuleSpec): NamedRule[] {
  return [...(spec.masquerade === 'off' ? [] : natRules(spec)), ...(spec.forward ? forwardRules(spec) : [])]
}

function natRules({ family, network, subnet, masquerade: how }: RuleSpec): NamedRule[] {
  const multicast = family === 4 ? '224.0.0.0/4' : 'ff00::/8'
  const not = { not: true }
  const nat = (comment: string, ...expressions: (readonly NftExpression[])[]): NamedRule => ({
    chain: 'postrouting',
    comment,
    expressions,
  })
  const stop = [nft.return()]
  const masquerade = [nft.masquerade({ fullyRandom: how === 'random' })]
  return [
    nat('masqueraded by the proxy', nft.matchMark({ value: MASQUERADE_MARK, mask: MASQUERADE_MARK }), stop),
    nat('own pods to pods', nft.matchSaddr(subnet), nft.matchDaddr(network), stop),
    nat('pods to own pods', nft.matchSaddr(network), nft.matchDaddr(subnet), stop),
    nat('others to own pods', nft.matchSaddr(network, not), nft.matchDaddr(subnet), stop),
    nat('pods to others', nft.matchSaddr(network), nft.matchDaddr(multicast, not), masquerade),
    nat('others to pods elsewhere', nft.matchSaddr(network, not), nft.matchDaddr(network), masquerade),
  ]
}

function forwardRules({ network }: RuleSpec): NamedRule[] {
  return [
    { chain: 'forward', comment: 'from pods', expressions: [nft.matchSaddr(network), [nft.accept()]] },
    { chain: 'forward', comment: 'to pods', expressions: [nft.matchDaddr(network), [nft.accept()]] },
  ]
}

/** The overlay's table of one family: masquerading and forwarding. Rewritten whole, and only when it was changed. */
export class OverlayRules {
  readonly #socket: NftSocket
  #written: { family: NftFamily; key: string; rules: string; generation: number } | undefined

  constructor(socket: NftSocket) {
    this.#socket = socket
  }

  /** Makes the table what it should be; true if it had to be written. */
  ensure(spec: RuleSpec): boolean {
    const family: NftFamily = spec.family === 4 ? 'ip' : 'ip6'
    const key = JSON.stringify(spec)
    if (this.#written?.key === key && this.intact()) return false
    this.#socket.commit(transactionFor(family, spec))
    // The generation first: what comes in between is noticed next time.
    const generation = this.#socket.generation()
    this.#written = { family, key, rules: this.#dump(family), generation }
    return true
  }

  /** Is the table as it was written? One cheap question as long as nobody has changed anything in nf_tables. */
  intact(): boolean {
    if (this.#written === undefined) return true
    const generation = this.#socket.generation()
    if (this.#written.generation === generation) return true
    if (this.#written.rules !== this.#dump(this.#written.family)) return false
    this.#written = { ...this.#written, generation }
    return true
  }

  /** Takes the table of a family that is not wanted (any more) away; true if there was one. */
  remove(family: 4 | 6): boolean {
    this.#written = undefined
    const name = family === 4 ? 'ip' : 'ip6'
    if (!this.#socket.tables().some((table) => table.family === name && table.name === TABLE)) return false
    const tx = new NftTransaction()
    tx.deleteTable({ family: name, name: TABLE })
    this.#socket.commit(tx)
    return true
  }

  /** The rules and chains as the kernel shows them, to notice when somebody changes them. */
  #dump(family: NftFamily): string {
    const chains = this.#socket.chains(family, TABLE).map(({ name, hook, policy }) => [name, hook, policy])
    return JSON.stringify([chains, this.#socket.rules(family, TABLE).map(ruleKey)])
  }
}

function ruleKey(rule: NftRule): unknown {
  return [
    rule.chain,
    rule.expressions.map(({ name, data }) => `${name} ${Buffer.from(data).toString('hex')}`),
  ]
}

/** Everything at once: the old rules hold until the new ones do. */
function transactionFor(family: NftFamily, spec: RuleSpec): NftTransaction {
  const tx = new NftTransaction()
  tx.addTable({ family, name: TABLE, comment: 'rules for the pod network' })
  tx.deleteTable({ family, name: TABLE })
  tx.addTable({ family, name: TABLE, comment: 'rules for the pod network' })
  const chain = { family, table: TABLE } as const
  if (spec.masquerade !== 'off') {
    const hook = { name: 'postrouting', priority: SRCNAT, type: 'nat' } as const
    tx.addChain({ ...chain, name: 'postrouting', hook })
  }
  if (spec.forward) {
    const hook = { name: 'forward', priority: FILTER, type: 'filter' } as const
    tx.addChain({ ...chain, name: 'forward', hook })
  }
  for (const rule of wantedRules(spec)) {
    tx.addRule({ ...chain, chain: rule.chain, expressions: rule.expressions, comment: rule.comment })
  }
  return tx
}
