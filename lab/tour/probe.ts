// Asks the same thing again and again and writes one JSON line per answer; runs inside a namespace of the lab.
//   probe.ts http URL [--host NAME] [--every MS] [--keep-alive]
//   probe.ts dns NAME [--every MS]            with the servers of /etc/resolv.conf
import { Resolver } from 'node:dns/promises'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { now, type ProbeResult } from './probe-process.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string' },
    every: { type: 'string', default: '20' },
    'keep-alive': { type: 'boolean', default: false },
  },
})
const [mode, target = ''] = positionals
const TIMEOUT_MS = 2000

const agent = values['keep-alive'] ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : false
const headers = values.host === undefined ? {} : { host: values.host }

function askHttp(): Promise<Omit<ProbeResult, 'at'>> {
  return new Promise((resolve) => {
    const request = http.get(target, { agent, headers, timeout: TIMEOUT_MS }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('error', (error) => resolve({ ok: false, error: error.message }))
      response.on('end', () => {
        if (response.statusCode !== 200) return resolve({ ok: false, error: `status ${response.statusCode}` })
        try {
          resolve({ ok: true, pod: String((JSON.parse(body) as { pod: unknown }).pod) })
        } catch {
          resolve({ ok: false, error: `not an answer of the shop: ${body.slice(0, 80)}` })
        }
      })
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    request.on('error', (error) => resolve({ ok: false, error: error.message }))
  })
}

const resolver = new Resolver({ timeout: 1000, tries: 1 })

async function askDns(): Promise<Omit<ProbeResult, 'at'>> {
  try {
    return { ok: true, addresses: (await resolver.resolve4(target)).sort() }
  } catch (error) {
    return { ok: false, addresses: [], error: (error as NodeJS.ErrnoException).code ?? String(error) }
  }
}

const ask = mode === 'http' ? askHttp : mode === 'dns' ? askDns : undefined
if (ask === undefined || target === '') {
  process.stderr.write('usage: probe.ts http URL | dns NAME\n')
  process.exit(2)
}
process.on('SIGTERM', () => process.exit(0))
for (;;) {
  const answer = await ask()
  process.stdout.write(`${JSON.stringify({ at: now(), ...answer })}\n`)
  await sleep(Number(values.every))
}
