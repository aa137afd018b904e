import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { command, tryCommand, waitUntil } from '../support/index.ts'

const PLEXUS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../bin/plexus')

/** Everything of a lab that can be seen from outside, by means of its own. */
function traces(lab: string): string[] {
  const namespaces = readdirSync('/run/netns').filter((name) => name.startsWith(`plx-${lab}-`))
  const processes = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`PLEXUS_LAB=${lab}`)
    } catch {
      return false
    }
  })
  const files = [`/run/plexus/lab/${lab}`, `/run/plexus/lab/${lab}.lock`].filter(existsSync)
  return [...namespaces, ...processes.map((pid) => `process ${pid}`), ...files]
}

/** Interface indexes of the machine's own namespace; an index is not given out twice. */
function linkIndexes(): number[] {
  return (JSON.parse(command(['ip', '-j', 'link'])) as { ifindex: number }[]).map(({ ifindex }) => ifindex)
}

/** The lab's link in the machine's own namespace, by the name the lab printed. */
function hostLinkIndex(output: string): number {
  const name = / on (plxlab\d+)/.exec(output)?.[1] ?? ''
  const [link] = JSON.parse(command(['ip', '-j', 'link', 'show', name])) as { ifindex: number }[]
  return link?.ifindex ?? -1
}

function labName(t: ExecutionContext, suffix: string): string {
  const name = `t${process.pid}${suffix}`
  t.teardown(() => void tryCommand([PLEXUS, 'lab', 'down', '--name', name], { timeoutMs: 60_000 }))
  return name
}

test('the tour holds, and nothing of the lab is left', async (t) => {
  t.timeout(170_000)
  const lab = labName(t, 'a')
  const ruleset = command(['/usr/sbin/nft', 'list', 'ruleset'])
  const child = spawn(PLEXUS, ['lab', 'run', '--once', '--name', lab], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let link: number | undefined
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (link === undefined && output.includes('manifests:')) link = hostLinkIndex(output)
    })
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  t.is(code, 0, output)
  t.regex(output, /All 6 steps held/)
  t.notRegex(output, /✗/)
  t.deepEqual(traces(lab), [])
  t.is(typeof link, 'number')
  t.false(linkIndexes().includes(link ?? -1))
  t.is(command(['/usr/sbin/nft', 'list', 'ruleset']), ruleset)
})

test('a lab that was killed in the middle is removed by down', async (t) => {
  t.timeout(170_000)
  const lab = labName(t, 'b')
  const child = spawn(PLEXUS, ['lab', 'run', '--no-tour', '--name', lab], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  t.teardown(() => child.kill('SIGKILL'))
  await waitUntil(() => child.exitCode !== null || output.includes('The cluster stays up'), {
    timeoutMs: 120_000,
  })
  t.regex(output, /The cluster stays up/)

  // A Pod of one's own: what its manifest says is what it gets, as soon as the file is there.
  const manifest = `apiVersion: v1
kind: Pod
metadata: { namespace: shop, name: mine }
spec:
  nodeName: node2
  hostname: own
  subdomain: reviews
  dnsPolicy: None
  dnsConfig: { nameservers: [192.0.2.53], searches: [a.test], options: [{ name: ndots, value: "1" }] }
  containers:
    - name: main
      image: busybox
      command: [sleep, "1000"]
      env: [{ name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
`
  const file = `/run/plexus/lab/${lab}/manifests/mine.yaml`
  writeFileSync(file, manifest)
  const inside = (...argv: string[]) => command([PLEXUS, 'lab', 'exec', '--name', lab, 'mine', '--', ...argv])
  const script =
    'cat /etc/resolv.conf; hostname; echo $NODE; grep -c own.reviews.shop.svc.cluster.local /etc/hosts'
  const seen = await waitUntil(() => inside('sh', '-c', script), { what: 'the new pod', timeoutMs: 20_000 })
  t.is(seen, 'search a.test\nnameserver 192.0.2.53\noptions ndots:1\nown\nnode2\n1\n')
  t.is(tryCommand([PLEXUS, 'lab', 'exec', '--name', lab, 'mine', '--', 'sh', '-c', 'exit 7']).status, 7)

  const link = hostLinkIndex(output)
  child.kill('SIGKILL')
  await waitUntil(() => child.signalCode !== null)
  t.true(traces(lab).length > 10)
  writeFileSync(`/run/plexus/lab/${lab}/state.json`, 'a crash in the middle of writing')
  command([PLEXUS, 'lab', 'down', '--name', lab], { timeoutMs: 60_000 })
  t.deepEqual(traces(lab), [])
  t.false(linkIndexes().includes(link))
})
