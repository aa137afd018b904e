/**
 * The order in which plugins take a query, whatever their order in the Corefile: that of CoreDNS 1.14.7 (rewrite, autopath
 * and acl before cache). Adding a plugin: write its folder, put its definition in the place of its name here.
 */
import type { PluginDefinition } from './core/setup.ts'
import { acl } from './plugins/acl/setup.ts'
import { any } from './plugins/any/setup.ts'
import { auto } from './plugins/auto/setup.ts'
import { autopath } from './plugins/autopath/setup.ts'
import { bind } from './plugins/bind/setup.ts'
import { bufsize } from './plugins/bufsize/setup.ts'
import { cache } from './plugins/cache/setup.ts'
import { cancel } from './plugins/cancel/setup.ts'
import { chaos } from './plugins/chaos/setup.ts'
import { debug } from './plugins/debug/setup.ts'
import { dns64 } from './plugins/dns64/setup.ts'
import { dnssec } from './plugins/dnssec/setup.ts'
import { dnstap } from './plugins/dnstap/setup.ts'
import { erratic } from './plugins/erratic/setup.ts'
import { errors } from './plugins/errors/setup.ts'
import { file } from './plugins/file/setup.ts'
import { forward } from './plugins/forward/setup.ts'
import { header } from './plugins/header/setup.ts'
import { health } from './plugins/health/setup.ts'
import { hosts } from './plugins/hosts/setup.ts'
import { k8sExternal } from './plugins/k8s_external/setup.ts'
import { kubernetes } from './plugins/kubernetes/setup.ts'
import { loadbalance } from './plugins/loadbalance/setup.ts'
import { local } from './plugins/local/setup.ts'
import { log } from './plugins/log/setup.ts'
import { loop } from './plugins/loop/setup.ts'
import { metadata } from './plugins/metadata/setup.ts'
import { minimal } from './plugins/minimal/setup.ts'
import { multisocket } from './plugins/multisocket/setup.ts'
import { nsid } from './plugins/nsid/setup.ts'
import { pprof } from './plugins/pprof/setup.ts'
import { prometheus } from './plugins/prometheus/setup.ts'
import { ready } from './plugins/ready/setup.ts'
import { reload } from './plugins/reload/setup.ts'
import { rewrite } from './plugins/rewrite/setup.ts'
import { root } from './plugins/root/setup.ts'
import { secondary } from './plugins/secondary/setup.ts'
import { sign } from './plugins/sign/setup.ts'
import { template } from './plugins/template/setup.ts'
import { timeouts } from './plugins/timeouts/setup.ts'
import { tls } from './plugins/tls/setup.ts'
import { trace } from './plugins/trace/setup.ts'
import { transfer } from './plugins/transfer/setup.ts'
import { tsig } from './plugins/tsig/setup.ts'
import { view } from './plugins/view/setup.ts'
import { whoami } from './plugins/whoami/setup.ts'

/** A plugin that CoreDNS has and Plexus does not: what to tell whoever uses it. */
interface Absent {
  readonly name: string
  readonly absent: string
}

const absent = (name: string, why: string): Absent => ({ name, absent: why })

export const pluginOrder: readonly (PluginDefinition | Absent)[] = [
  root,
  metadata,
  absent('geoip', 'it reads MaxMind databases; use view with incidr for networks you know'),
  cancel,
  absent('proxyproto', 'put a balancer that keeps client addresses in front'),
  absent('quic', 'Node has no QUIC that is stable; use tls:// or https://'),
  absent('grpc_server', 'DNS over gRPC is not served; use tls:// or https://'),
  absent('https', 'limits of https:// listeners are those of timeouts'),
  absent('https3', 'Node has no HTTP/3; use https://'),
  timeouts,
  multisocket,
  reload,
  nsid,
  bufsize,
  bind,
  debug,
  trace,
  ready,
  health,
  pprof,
  absent('shed', 'a listener drops what it cannot take anyhow: nothing has to be turned on'),
  prometheus,
  errors,
  log,
  dnstap,
  local,
  dns64,
  any,
  chaos,
  loadbalance,
  tsig,
  rewrite,
  autopath,
  acl,
  cache,
  header,
  dnssec,
  tls,
  minimal,
  template,
  transfer,
  hosts,
  absent('route53', 'it is a data source outside the cluster; forward can ask a server that has it'),
  absent('azure', 'it is a data source outside the cluster; forward can ask a server that has it'),
  absent('clouddns', 'it is a data source outside the cluster; forward can ask a server that has it'),
  k8sExternal,
  kubernetes,
  file,
  auto,
  secondary,
  absent('etcd', 'it is a data source outside the cluster; forward can ask a server that has it'),
  loop,
  forward,
  absent('grpc', 'DNS over gRPC is not spoken; use forward with tls:// or https://'),
  erratic,
  whoami,
  absent('on', 'it runs commands'),
  sign,
  view,
  absent('nomad', 'it is a data source outside the cluster; forward can ask a server that has it'),
]
