import path from 'node:path'
import { inNetns, labEnvironment } from '../process/spawn.ts'
import { type LabLayout, PLEXUS_BINARY } from './layout.ts'
import { namespaceName, netnsPath } from './names.ts'
import { startProcess } from './start-process.ts'
import type { LabProcess } from './state.ts'

/** Starts the agent of a node in the node's namespace; resolves once it serves. */
export function startAgent(layout: LabLayout, node: string, signal: AbortSignal): Promise<LabProcess> {
  const files = layout.node(node)
  return startOnNode(layout, node, {
    role: 'agent',
    arguments: ['agent', '--config', files.agentConfig],
    readyFile: files.agentReady,
    signal,
  })
}

/** Starts the kubelet of a node; resolves once it follows the manifests. */
export function startKubelet(layout: LabLayout, node: string, signal: AbortSignal): Promise<LabProcess> {
  return startOnNode(layout, node, {
    role: 'kubelet',
    arguments: ['lab', 'kubelet', '--state', layout.root, '--node', node],
    readyFile: layout.node(node).kubeletReady,
    signal,
  })
}

function startOnNode(
  layout: LabLayout,
  node: string,
  options: {
    role: LabProcess['role']
    arguments: readonly string[]
    readyFile: string
    signal: AbortSignal
  },
): Promise<LabProcess> {
  const { role, readyFile, signal } = options
  return startProcess({
    role,
    place: node,
    argv: inNetns(netnsPath(namespaceName(layout.name, node)), [
      PLEXUS_BINARY,
      ...options.arguments,
      '--ready-file',
      readyFile,
    ]),
    env: labEnvironment(layout.name),
    logFile: path.join(layout.logs, `${node}-${role}.log`),
    readyFile,
    signal,
  })
}
