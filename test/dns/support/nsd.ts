/** Debian's NSD: an authoritative server that is not ours, as primary and as secondary. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, type Teardown } from './index.ts'

export interface Nsd {
  readonly port: number
  readonly directory: string
  /** signal: SIGHUP reads zone files again */
  readonly child: ChildProcess
}

/** Why tests with NSD cannot run here, or undefined. */
export const withoutNsd = existsSync('/usr/sbin/nsd') ? undefined : 'there is no /usr/sbin/nsd (package nsd)'

/** Starts NSD on loopback; `zones` is what stands in its configuration's zone clauses. */
export async function nsd(
  t: Teardown,
  zones: readonly { readonly name: string; readonly lines: readonly string[]; readonly text?: string }[],
): Promise<Nsd> {
  const directory = mkdtempSync(join(tmpdir(), 'plexus-nsd-'))
  const port = await freePort()
  const file = (zone: string): string => join(directory, `${zone}zone`)
  for (const { name, text } of zones) if (text !== undefined) writeFileSync(file(name), text)
  const config = `server:
  ip-address: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  zonesdir: "${directory}"
  pidfile: "${directory}/pid"
  zonelistfile: "${directory}/list"
  xfrdfile: "${directory}/xfrd"
  xfrdir: "${directory}"
  database: ""
  server-count: 1
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
${zones.map(({ name, lines }) => `zone:\n  name: "${name}"\n  zonefile: "${file(name)}"\n${lines.map((line) => `  ${line}\n`).join('')}`).join('')}`
  writeFileSync(join(directory, 'nsd.conf'), config)
  execFileSync('/usr/sbin/nsd-checkconf', [join(directory, 'nsd.conf')])
  const child = spawn('/usr/sbin/nsd', ['-d', '-c', join(directory, 'nsd.conf')], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
    rmSync(directory, { recursive: true, force: true })
  })
  return { port, directory, child }
}
