export { flushBatches } from './batch.ts'
export { checkPlugins } from './compile.ts'
export type { Plugin, PluginAnswer, PluginEnvironment, PluginInstance } from './plugin.ts'
export { PLUGINS, selectPlugins } from './registry.ts'
