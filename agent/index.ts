/** The node process: configuration, life cycle of the components, health, metrics, command line. See README.md. */

export type { Component, ComponentHealth } from './component.ts'
export { type AgentConfiguration, loadConfiguration, parseConfiguration } from './configuration.ts'
export { ConfigurationError } from './errors.ts'
export { type NodeAgent, startNodeAgent } from './node-agent.ts'
