/** Both servers with one Corefile, and the comparison of what they say. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { Registry } from 'prom-client'
import { type DnsComponent, startDns } from '#dns'
import type { Store } from '#watch'
import { type Teardown, testDirectory } from '../../support/index.ts'
import { freePort, memoryLog } from '../support/index.ts'
import { differences, type Leniency } from './compare.ts'
import { type Started, startCoredns } from './coredns.ts'
import { question, send } from './question.ts'

export interface PairOptions {
  /**
   * With `{DIR}` for a directory with `files` in it, `{HTTP}` for a port of the server's own, `{PORT}` for the port of its
   * blocks; what differs otherwise is put in with `only`.
   */
  readonly corefile: string
  /** by name below the directory */
  readonly files?: Readonly<Record<string, string>>
  /** the cluster, for our side */
  readonly store?: Store
  /** changes the text for one side */
  readonly only?: { readonly ours?: (text: string) => string; readonly theirs?: (text: string) => string }
}

export interface Side {
  readonly port: number
  readonly http: number
  readonly directory: string
}

export interface Pair {
  readonly ours: Side & { readonly dns: DnsComponent; readonly lines: readonly string[] }
  readonly theirs: Side & { readonly started: Started }
}

async function side(t: Teardown, name: string, files: Readonly<Record<string, string>>): Promise<Side> {
  const directory = testDirectory(t, `differential-${name}`)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  return { port: await freePort(), http: await freePort(), directory }
}

function fill(corefile: string, { port, http, directory }: Side): string {
  return corefile
    .replaceAll('{DIR}', directory)
    .replaceAll('{HTTP}', `127.0.0.1:${http}`)
    .replaceAll('{PORT}', String(port))
}

/** Starts both; ends with the test. */
export async function startPair(t: Teardown, options: PairOptions): Promise<Pair> {
  const { corefile, files = {}, store, only = {} } = options
  const [mine, other] = [await side(t, 'ours', files), await side(t, 'theirs', files)]
  const theirText = fill((only.theirs ?? String)(corefile), other)
  const started = await startCoredns(t, { corefile: theirText, ...other })
  if (started.status !== undefined) throw new Error(`CoreDNS ended:\n${started.output()}\n${theirText}`)
  const { log, lines } = memoryLog()
  const dns = await startDns({
    corefile: { text: fill((only.ours ?? String)(corefile), mine) },
    port: mine.port,
    log,
    metrics: new Registry(),
    store,
  })
  t.teardown(() => dns.stop({ lameduck: false }))
  return { ours: { ...mine, dns, lines }, theirs: { ...other, started } }
}

/** A difference that is meant: `forgive` takes the lines it explains out of those of one query. */
export interface Deliberate {
  readonly why: string
  readonly forgive: (lines: readonly string[], query: string) => readonly string[]
}

export interface CompareOptions extends Leniency {
  readonly deliberate?: readonly Deliberate[]
  /** some of `deliberate` may make no difference here */
  readonly unused?: boolean
  /** ms until no answer counts as none */
  readonly patience?: number
}

/** Asks both the same, one query after the other, and fails with all differences. */
export async function compare(
  t: ExecutionContext,
  pair: Pair,
  queries: readonly string[],
  options: CompareOptions = {},
): Promise<void> {
  const found: string[] = []
  const used = new Set<Deliberate>()
  for (const text of queries) {
    const asked = question(text)
    const [ours, theirs] = await Promise.all([
      send(pair.ours.port, asked, options.patience),
      send(pair.theirs.port, asked, options.patience),
    ])
    let lines: readonly string[] = differences(ours, theirs, options)
    for (const one of options.deliberate ?? []) {
      const left = one.forgive(lines, text)
      if (left.length < lines.length) used.add(one)
      lines = left
    }
    if (lines.length > 0)
      found.push([text, ...lines.slice(0, Number(process.env['LINES_SHOWN'] ?? 20))].join('\n    '))
  }
  const count = found.length
  for (const one of options.deliberate ?? [])
    if (options.unused !== true && !used.has(one)) found.push(`this makes no difference here: ${one.why}`)
  if (found.length > 0) t.log(found.slice(0, Number(process.env['DIFFERENCES'] ?? 12)).join('\n'))
  t.is(found.length, 0, `${count} of ${queries.length} answers differ`)
}
