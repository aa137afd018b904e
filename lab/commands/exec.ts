import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { enter } from '../cluster/enter.ts'
import { labLayout } from '../cluster/layout.ts'
import { checkLabName } from '../cluster/names.ts'
import { LabError } from '../errors.ts'
import { requireState } from './require-state.ts'

export interface ExecOptions {
  readonly name: string
  /** A pod (`web-1`, `shop/web-1`), a node, or `outside`. */
  readonly pod: string
  readonly command: readonly string[]
}

/** `plexus lab exec POD -- CMD`: runs a command inside a pod, as it sees network, resolv.conf and host name. */
export async function exec(options: ExecOptions): Promise<number> {
  const layout = labLayout(checkLabName(options.name))
  const entry = enter(layout, requireState(layout), options.pod)
  // A parser that passes arguments through leaves the `--` before them in place.
  const wanted = options.command[0] === '--' ? options.command.slice(1) : options.command
  const [command = '', ...args] = [...entry.prefix, ...wanted]
  const terminal = process.env['TERM'] === undefined ? {} : { TERM: process.env['TERM'] }
  // Ctrl-C is for the command: it gets it from the terminal itself.
  const ignore = () => {}
  process.on('SIGINT', ignore)
  process.on('SIGQUIT', ignore)
  const child = spawn(command, args, { stdio: 'inherit', env: { ...entry.env, ...terminal } })
  const pass = () => child.kill('SIGTERM')
  process.on('SIGTERM', pass)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (cause) => reject(new LabError('LAB_PROGRAM', `cannot run ${command}`, { cause })))
      child.on('exit', (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      )
    })
  } finally {
    process.off('SIGINT', ignore)
    process.off('SIGQUIT', ignore)
    process.off('SIGTERM', pass)
  }
}
