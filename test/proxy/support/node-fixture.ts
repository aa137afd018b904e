import { pino } from 'pino'
import { Registry } from 'prom-client'
import { DEFAULT_CONFIGURATION, type KubeProxyConfiguration, type ProxyComponent, startProxy } from '#proxy'
import { type AnyObject, memorySource, Store } from '#watch'
import { joinNamespaces, type Teardown, type TestNamespace, testNamespace } from '../../support/index.ts'
import { node } from './objects.ts'
import { Probe } from './probe.ts'

export const NODE = 'node1'

/** A member of the fixture: a namespace with a probe in it. */
export interface Member {
  readonly namespace: TestNamespace
  readonly probe: Probe
  readonly addresses: readonly string[]
}

/**
 * A node as Kubernetes would have it: a bridge with pods, an underlay to an external client and to a second
 * node's pods, IPv4 and IPv6. The proxy runs in this process, on a socket into the node's namespace.
 *
 *     pods 10.244.1.x, fd00:244:1::x -- cni0 [node 192.0.2.1, 2001:db8::1] under0 -- [outside 192.0.2.9]
 *                                                                                      routes 10.244.2.0/24 too
 */
export class NodeFixture {
  readonly t: Teardown
  readonly node: Member
  readonly outside: Member
  readonly store: Store
  readonly metrics = new Registry()
  readonly config: KubeProxyConfiguration
  proxy: ProxyComponent | undefined
  #pods = 0

  constructor(t: Teardown, config: Partial<KubeProxyConfiguration> = {}) {
    this.t = t
    this.config = { ...DEFAULT_CONFIGURATION, clusterCIDR: ['10.244.0.0/16', 'fd00:244::/32'], ...config }
    this.store = new Store({ log: pino({ level: 'silent' }), nodeName: NODE })
    t.teardown(() => this.proxy?.stop())
    const host = testNamespace(t, 'node')
    const outside = testNamespace(t, 'out')
    joinNamespaces(
      { namespace: host, name: 'under0', addresses: ['192.0.2.1/24', '2001:db8::1/64'] },
      { namespace: outside, name: 'eth0', addresses: ['192.0.2.9/24', '2001:db8::9/64', '10.244.2.9/32'] },
    )
    host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    host.run('ip', 'link', 'add', 'cni0', 'type', 'bridge')
    host.run('ip', 'addr', 'add', '10.244.1.1/24', 'dev', 'cni0')
    host.run('ip', 'addr', 'add', 'fd00:244:1::1/64', 'dev', 'cni0', 'nodad')
    host.run('ip', 'link', 'set', 'cni0', 'up')
    host.run('ip', 'route', 'add', 'default', 'via', '192.0.2.9')
    host.run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::9')
    outside.run('ip', 'route', 'add', 'default', 'via', '192.0.2.1')
    outside.run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::1')
    this.node = this.#member(host, ['192.0.2.1', '2001:db8::1'])
    this.outside = this.#member(outside, ['192.0.2.9', '2001:db8::9'])
    this.put(
      node({
        name: NODE,
        addresses: ['192.0.2.1', '2001:db8::1'],
        podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'],
      }),
    )
  }

  /** A pod behind the bridge, with one address of each family. */
  pod(name: string): Member {
    const index = 10 + this.#pods++
    const namespace = testNamespace(this.t, name)
    const addresses = [`10.244.1.${index}`, `fd00:244:1::${index}`]
    joinNamespaces(
      { namespace: this.node.namespace, name: `veth${index}`, addresses: [] },
      { namespace, name: 'eth0', addresses: [`${addresses[0]}/24`, `${addresses[1]}/64`] },
    )
    this.node.namespace.run('ip', 'link', 'set', `veth${index}`, 'master', 'cni0')
    this.node.namespace.run('bridge', 'link', 'set', 'dev', `veth${index}`, 'hairpin', 'on')
    namespace.run('ip', 'route', 'add', 'default', 'via', '10.244.1.1')
    namespace.run('ip', '-6', 'route', 'add', 'default', 'via', 'fd00:244:1::1')
    return this.#member(namespace, addresses)
  }

  /** Puts objects into the watch cache in one step; the proxy has programmed them when this returns. */
  put(...objects: AnyObject[]): void {
    this.store.apply(objects.map((object) => ({ object })))
    this.store.flush()
  }

  remove(kind: 'Service' | 'EndpointSlice', key: string): void {
    this.store.apply([{ kind, deleted: key }])
    this.store.flush()
  }

  async start(): Promise<ProxyComponent> {
    await this.store.run(memorySource({ standalone: false }))
    return this.follow()
  }

  /** A proxy on the store as it is: the first one, or one after a restart. */
  async follow(): Promise<ProxyComponent> {
    this.proxy = await startProxy({
      store: this.store,
      nodeName: NODE,
      config: this.config,
      log: pino({ level: process.env['PLEXUS_TEST_LOG'] ?? 'silent' }),
      metrics: new Registry(),
      netns: this.node.namespace.path,
    })
    return this.proxy
  }

  #member(namespace: TestNamespace, addresses: readonly string[]): Member {
    const probe = new Probe(namespace)
    this.t.teardown(() => probe.close())
    return { namespace, probe, addresses }
  }
}
