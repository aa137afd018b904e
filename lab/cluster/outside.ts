import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { inNetns, labEnvironment } from '../process/spawn.ts'
import { BOOKSTORE, type LabLayout, PLEXUS_BINARY } from './layout.ts'
import { namespaceName, netnsPath } from './names.ts'
import { startProcess } from './start-process.ts'
import type { LabProcess } from './state.ts'
import type { Underlay } from './underlay.ts'

/** Names that only the DNS server outside the cluster knows. */
export function outsideNames(underlay: Underlay, gateway: string | undefined): Record<string, string> {
  return {
    'www.example.test': underlay.outside,
    'pay.example.test': underlay.outside,
    ...(gateway === undefined ? {} : { 'shop.example.test': gateway }),
  }
}

/**
 * Starts what the world outside the cluster consists of: the upstream DNS server the nodes were given, and the payment
 * provider behind the ExternalName Service.
 */
export async function startOutside(
  layout: LabLayout,
  underlay: Underlay,
  options: { gateway: string | undefined; signal: AbortSignal },
): Promise<LabProcess[]> {
  const netns = netnsPath(namespaceName(layout.name, 'outside'))
  const records = Object.entries(outsideNames(underlay, options.gateway))
  const hosts = records.map(([name, address]) => `        ${address} ${name}`).join('\n')
  writeFileSync(layout.upstreamCorefile, `.:53 {\n    errors\n    hosts {\n${hosts}\n    }\n}\n`)
  const ready = path.join(layout.root, 'outside-dns.ready')
  const dns = startProcess({
    role: 'upstream-dns',
    place: 'outside',
    argv: inNetns(netns, [PLEXUS_BINARY, 'dns', '--conf', layout.upstreamCorefile, '--ready-file', ready]),
    env: labEnvironment(layout.name),
    logFile: path.join(layout.logs, 'outside-dns.log'),
    readyFile: ready,
    signal: options.signal,
  })
  const bank = startProcess({
    role: 'outside-app',
    place: 'outside',
    argv: inNetns(netns, ['node', path.join(BOOKSTORE, 'images/bookstore/shop.mjs'), 'bank']),
    env: labEnvironment(layout.name, { PORT: '8090', POD_NAME: 'bank' }),
    logFile: path.join(layout.logs, 'outside-bank.log'),
    signal: options.signal,
  })
  return Promise.all([dns, bank])
}
