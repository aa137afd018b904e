import type { Plugin } from '../plugin.ts'

/** Accepted so that configurations with it load: nothing is ever buffered here. */
export const proxyBuffering: Plugin = {
  name: 'proxy-buffering',
  priority: 21_991,
  schema: { type: 'object', properties: { disable_proxy_buffering: { type: 'boolean', default: false } } },
  compile: () => ({}),
}
