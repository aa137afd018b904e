import type { Plugin } from '../plugin.ts'

/** Accepted so that configurations with it load: nothing is ever buffered here. */
export const proxyControl: Plugin = {
  name: 'proxy-control',
  priority: 21_990,
  schema: { type: 'object', properties: { request_buffering: { type: 'boolean', default: true } } },
  compile: () => ({}),
}
