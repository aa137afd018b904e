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
function wantedRules({ family, network, subnet }: RuleSpec): NamedRule[] {
  const multicast = family === 4 ? '224.0.0.0/4' : 'ff00::/8'
  const not = { not: true }
  const nat = (comment: string, ...expressions: (readonly NftExpression[])[]): NamedRule => ({
    chain: 'postrouting',
    comment,
    expressions,
  })
  const stop = [nft.return()]
  const masquerade = [nft.masquerade({ fullyRandom: true })]
  return [
    nat('masqueraded by the proxy', nft.matchMark({ value: MASQUERADE_MARK, mask: MASQUERADE_MARK }), stop),
    nat('own pods to pods', nft.matchSaddr(subnet), nft.matchDaddr(network), stop),
    nat('pods to own pods', nft.matchSaddr(network), nft.matchDaddr(subnet), stop),
    nat('others to own pods', nft.matchSaddr(network, not), nft.matchDaddr(subnet), stop),
    nat('pods to others', nft.matchSaddr(network), nft.matchDaddr(multicast, not), masquerade),
    nat('others to pods elsewhere', nft.matchSaddr(network, not), nft.matchDaddr(network), masquerade),
    { chain: 'forward', comment: 'from pods', expressions: [nft.matchSaddr(network), [nft.accept()]] },
    { chain: 'forward', comment: 'to pods', expressions: [nft.matchDaddr(network), [nft.accept()]] },
  ]
}

/** The overlay's table of one family: masquerading and forwarding. Rewritten whole, and only when it was changed. */
export class OverlayRules {
  readonly #socket: NftSocket
  #written: { key: string; rules: string; generation: number } | undefined

  constructor(socket: NftSocket) {
    this.#socket = socket
  }

  /** Makes the table what it should be; true if it had to be written. */
  ensure(spec: RuleSpec): boolean {
    const family: NftFamily = spec.family === 4 ? 'ip' : 'ip6'
    const key = JSON.stringify(spec)
    const generation = this.#socket.generation()
    if (this.#written?.key === key) {
      if (this.#written.generation === generation) return false
      if (this.#written.rules === this.#dump(family)) {
        this.#written = { ...this.#written, generation }
        return false
      }
    }
    this.#socket.commit(transactionFor(family, spec))
    this.#written = { key, rules: this.#dump(family), generation: this.#socket.generation() }
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
  tx.addChain({ ...chain, name: 'postrouting', hook: { name: 'postrouting', priority: SRCNAT, type: 'nat' } })
  tx.addChain({ ...chain, name: 'forward', hook: { name: 'forward', priority: FILTER, type: 'filter' } })
  for (const rule of wantedRules(spec)) {
    tx.addRule({ ...chain, chain: rule.chain, expressions: rule.expressions, comment: rule.comment })
  }
  return tx
}
