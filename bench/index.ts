// `npm run bench [-- NAME...]`: our programs and their peers in the same run; each prints a table and a line of JSON.
import { cpus, loadavg, release } from 'node:os'

const benches: Readonly<Record<string, () => Promise<void>>> = {
  cni: async () => (await import('./cni/index.ts')).benchCni(),
  dns: async () => (await import('./dns/index.ts')).benchDns(),
  gateway: async () => (await import('./gateway/index.ts')).benchGateway(),
  overlay: async () => (await import('./overlay/index.ts')).benchOverlay(),
  proxy: async () => (await import('./proxy/index.ts')).benchProxy(),
  watch: async () => (await import('./watch/index.ts')).benchWatch(),
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(
    `bench: no benchmark called ${unknown.join(', ')}; there is: ${Object.keys(benches).join(', ')}`,
  )
  process.exit(2)
}
console.log(
  `${cpus().length} x ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}, load ${loadavg()[0]?.toFixed(2)}`,
)
for (const name of wanted.length > 0 ? wanted : Object.keys(benches)) await benches[name]?.()
