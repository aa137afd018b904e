import type { Plugin } from '../plugin.ts'

/** Accepted so that configurations with it load: what it tells is always there for public-api. */
export const nodeStatus: Plugin = {
  name: 'node-status',
  priority: 1000,
  schema: { type: 'object' },
  compile: () => ({}),
}
