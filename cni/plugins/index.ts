import { BridgePlugin } from '../bridge/plugin.ts'
import type { Plugin } from '../protocol/plugin.ts'
import { bandwidthPlugin } from './bandwidth.ts'
import { hostLocalPlugin } from './host-local.ts'
import { loopbackPlugin } from './loopback.ts'
import { portmapPlugin } from './portmap.ts'

/** Every plugin type of the multi-call program, under the name it is called by. */
export const plugins: ReadonlyMap<string, Plugin> = new Map<string, Plugin>([
  ['plexus', new BridgePlugin({ isPlexus: true })],
  ['bridge', new BridgePlugin({ isPlexus: false })],
  ['bandwidth', bandwidthPlugin],
  ['host-local', hostLocalPlugin],
  ['loopback', loopbackPlugin],
  ['portmap', portmapPlugin],
])
