// kube-proxy's layout through `nft -f -`, in the network namespace of this process: prints its figures as JSON.
//     kube-proxy-program.ts SERVICES ENDPOINTS [keep]
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { endpointAddress, endpointAddresses } from './cluster.ts'
import { changedService, fullRuleset } from './kube-proxy-layout.ts'
import { requireOwnNamespace } from './namespaces.ts'

requireOwnNamespace()

const services = Number(process.argv[2])
const endpoints = Number(process.argv[3])
const changes = Number(process.env['BENCH_NFT_CHANGES'] ?? 10)

let peakMb = 0

/** Runs `nft -f -` and returns its wall time in milliseconds; notes its peak memory. */
async function apply(text: string): Promise<number> {
  const began = performance.now()
  const child = spawn('/usr/sbin/nft', ['-f', '-'], { stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.end(text)
  const watch = setInterval(() => {
    try {
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))?.[1]
      peakMb = Math.max(peakMb, Number(peak ?? 0) / 1024)
    } catch {
      // ended meanwhile
    }
  }, 20)
  const code = await new Promise((resolve) => child.on('exit', resolve))
  clearInterval(watch)
  if (code !== 0) throw new Error(`nft ended with ${code}`)
  return performance.now() - began
}

const load = await apply(fullRuleset(services, endpoints))
const samples: number[] = []
if (process.argv[4] !== 'keep') {
  for (let step = 0; step < changes; step += 1) {
    const index = (step * 7919) % services
    const before = endpointAddresses(index, endpoints)
    const after = [...before.slice(0, -1), endpointAddress(index, 0, 1)]
    samples.push(await apply(changedService(index, before, after)))
  }
}
samples.sort((a, b) => a - b)
const at = (part: number) => samples[Math.min(samples.length - 1, Math.floor(samples.length * part))] ?? 0
process.stdout.write(
  `${JSON.stringify({ services, endpoints, loadMs: load, replaced: { p50: at(0.5), p99: at(0.99) }, baseMb: 0, loadedMb: peakMb })}\n`,
)
