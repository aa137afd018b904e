// How each contender is configured: the same zones, a cache before the same upstream, one address on loopback.
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startServer } from '../support/process.ts'
import { externalLocalData, unboundLocalData, writeManifests, writeZones } from './fixture.ts'

export const ports = {
  upstream: 19_850,
  plexus: 19_851,
  coredns: 19_852,
  unbound: 19_853,
  'plexus, 2 processes': 19_854,
}

export type Contender = 'plexus' | 'plexus, 2 processes' | 'coredns' | 'unbound'

/** The Corefile, but for where the cluster's records come from. */
const corefile = (port: number, cluster: string): string => `.:${port} {
    bind 127.0.0.1
    errors
    prometheus 127.0.0.1:${port + 100}
    ${cluster}
    cache 30
    loadbalance
    forward . 127.0.0.1:${ports.upstream}
}
forwarded.test:${port} {
    bind 127.0.0.1
    errors
    prometheus 127.0.0.1:${port + 100}
    forward . 127.0.0.1:${ports.upstream}
}
`

const unboundServer = (port: number): string => `server:
  interface: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  verbosity: 0
  num-threads: 1
  do-not-query-localhost: no
  module-config: "iterator"
  so-rcvbuf: 4m
  access-control: 127.0.0.0/8 allow
`

/** Names for the log of what is measured. */
export type Server = ReturnType<typeof startServer>

/** The authoritative upstream that all contenders forward to. */
export function startUpstream(folder: string, cpu: number): Server {
  const file = join(folder, 'upstream.conf')
  writeFileSync(
    file,
    `${unboundServer(ports.upstream)}  local-zone: "test." static\n${externalLocalData()}remote-control:\n  control-enable: no\n`,
  )
  return startServer('/usr/sbin/unbound', ['-d', '-c', file], { cpu, cwd: folder })
}

/** CoreDNS, built from bench/dns/coredns; undefined (with a line that says why) where there is no Go. */
export function buildCoredns(folder: string): string | undefined {
  const source = join(import.meta.dirname, 'coredns')
  const binary = join(folder, 'coredns')
  const built = spawnSync('go', ['build', '-o', binary, '.'], { cwd: source, encoding: 'utf8' })
  if (built.status === 0 && existsSync(binary)) return binary
  const why = built.error === undefined ? built.stderr.trim().split('\n').at(-1) : 'Go is not installed'
  console.log(`bench: CoreDNS is left out: ${why}`)
  return undefined
}

/** Starts every contender there is on `cpu`. */
export function startContenders(
  root: string,
  folder: string,
  options: { cpu: number; coredns: string | undefined },
): Map<Contender, Server> {
  const { cpu, coredns } = options
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const servers = new Map<Contender, Server>()
  const kubernetes = `kubernetes cluster.local 10.in-addr.arpa {
        ttl 30
    }`
  const manifests = writeManifests(folder)
  const plexus = (name: 'plexus' | 'plexus, 2 processes', workers: number, on: number | string): void => {
    const conf = file(`Corefile.plexus${workers}`, corefile(ports[name], kubernetes))
    const argv = ['dns', '--manifests', manifests, '--conf', conf, '-workers', String(workers)]
    servers.set(name, startServer(join(root, 'bin/plexus'), argv, { cpu: on }))
  }
  plexus('plexus', 1, cpu)
  plexus('plexus, 2 processes', 2, '0,1')
  if (coredns !== undefined) {
    const zones = writeZones(folder)
    const files = `file ${zones.forward} cluster.local\n    file ${zones.reverse} 10.in-addr.arpa`
    // One CPU is all there is for it here: with more threads it only got slower.
    const env = { ...process.env, GOMAXPROCS: '1' }
    servers.set(
      'coredns',
      startServer(coredns, ['-conf', file('Corefile.coredns', corefile(ports.coredns, files))], { cpu, env }),
    )
  }
  const unbound = `${unboundServer(ports.unbound)}${unboundLocalData()}forward-zone:
  name: "forwarded.test."
  forward-addr: 127.0.0.1@${ports.upstream}
  forward-no-cache: yes
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${ports.upstream}
remote-control:
  control-enable: no
`
  servers.set(
    'unbound',
    startServer('/usr/sbin/unbound', ['-d', '-c', file('unbound.conf', unbound)], { cpu, cwd: folder }),
  )
  return servers
}
