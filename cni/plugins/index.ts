import { BridgePlugin } from '../bridge/plugin.ts'
import type { Plugin } from '../protocol/plugin.ts'
import { bandwidthPlugin } from './bandwidth.ts'
import { firewallPlugin } from './firewall.ts'
import { flannelPlugin } from './flannel.ts'
import { hostLocalPlugin } from './host-local.ts'
import { loopbackPlugin } from './loopback.ts'
import { macvlanPlugin } from './macvlan.ts'
import { portmapPlugin } from './portmap.ts'
import { ptpPlugin } from './ptp.ts'
import { staticPlugin } from './static.ts'
import { tuningPlugin } from './tuning.ts'

/** Every plugin type of the multi-call program, under the name it is called by. */
export const plugins: ReadonlyMap<string, Plugin> = new Map<string, Plugin>([
  ['plexus', new BridgePlugin({ isPlexus: true })],
  ['bridge', new BridgePlugin({ isPlexus: false })],
  ['bandwidth', bandwidthPlugin],
  ['firewall', firewallPlugin],
  ['flannel', flannelPlugin],
  ['host-local', hostLocalPlugin],
  ['loopback', loopbackPlugin],
  ['macvlan', macvlanPlugin],
  ['portmap', portmapPlugin],
  ['ptp', ptpPlugin],
  ['static', staticPlugin],
  ['tuning', tuningPlugin],
])
