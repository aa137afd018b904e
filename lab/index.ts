/** The lab: a cluster of network namespaces on one machine. See README.md. */
import { down } from './commands/down.ts'
import { exec } from './commands/exec.ts'
import { kubelet } from './commands/kubelet.ts'
import { run } from './commands/run.ts'
import { status } from './commands/status.ts'
import { up } from './commands/up.ts'

export type { DownOptions } from './commands/down.ts'
export type { ExecOptions } from './commands/exec.ts'
export type { KubeletCommandOptions } from './commands/kubelet.ts'
export type { RunOptions } from './commands/run.ts'
export type { StatusOptions } from './commands/status.ts'
export type { UpOptions } from './commands/up.ts'
export { LabError, type LabErrorCode } from './errors.ts'

/** The subcommands of `bin/plexus lab`. Each resolves to the exit code and throws LabError with what to do. */
export const labCommands = { run, up, down, status, exec, kubelet } as const
