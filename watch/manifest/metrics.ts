import { Gauge, type Registry } from 'prom-client'
import type { SourceStatus } from '../source.ts'

/** Gauges of a manifest source, read when scraped. */
export function registerSourceMetrics(registry: Registry | undefined, status: () => SourceStatus): void {
  if (registry === undefined) return
  const registers = [registry]
  new Gauge({
    name: 'plexus_watch_source_files',
    help: 'Manifest files by state (ok, degraded: a last good version is in use, rejected)',
    labelNames: ['state'],
    registers,
    collect() {
      const { files } = status()
      for (const state of ['ok', 'degraded', 'rejected'] as const) {
        this.set({ state }, files.filter((file) => file.state === state).length)
      }
    },
  })
  new Gauge({
    name: 'plexus_watch_source_problems',
    help: 'Problems in manifests',
    labelNames: ['severity'],
    registers,
    collect() {
      const { problems } = status()
      for (const severity of ['error', 'warning'] as const) {
        this.set({ severity }, problems.filter((problem) => problem.severity === severity).length)
      }
    },
  })
}
