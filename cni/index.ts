/** The container network interface: plugin types, and the agent's side of the CNI executable. See README.md. */
import type { CniComponent, CniServerOptions } from './handover/server.ts'
import { CniServer } from './handover/server.ts'
import { plugins } from './plugins/index.ts'

export type { CniComponent } from './handover/server.ts'
export { buildShim, defaultConflist, type InstallCniOptions, installCni } from './install.ts'
export { cleanUpOverlay } from './overlay/cleanup.ts'
export { NetConfError } from './overlay/errors.ts'
export { OverlayFlagError, type OverlayFlags, parseOverlayFlags } from './overlay/flags.ts'
export { loadNetConf, type NetConf, parseNetConf } from './overlay/net-conf.ts'
export type { OverlayOptions, OverlaySettings } from './overlay/options.ts'
export { type Overlay, startOverlay } from './overlay/overlay.ts'
export type { NodePatch } from './overlay/publication.ts'
export { checkOverlaySettings, OverlaySettingError } from './overlay/settings.ts'
export { plugins } from './plugins/index.ts'
export { type CniReply, type CniRequest, dispatch } from './protocol/dispatch.ts'
export { CniError, cniCodes } from './protocol/errors.ts'

/** Serves the CNI executable's requests on a unix socket. Resolves once it does. */
export async function startCniServer(options: Omit<CniServerOptions, 'plugins'>): Promise<CniComponent> {
  const server = new CniServer({ ...options, plugins })
  await server.listen()
  return server
}
