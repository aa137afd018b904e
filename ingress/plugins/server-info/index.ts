import type { Plugin } from '../plugin.ts'

/** Accepted so that configurations with it load: what it told etcd is in the control API's /v1/server_info. */
export const serverInfo: Plugin = {
  name: 'server-info',
  priority: 990,
  schema: { type: 'object' },
  compile: () => ({}),
}
