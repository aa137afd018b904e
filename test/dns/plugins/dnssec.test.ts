/** dnssec, sign, and signed zones in file: delv and unbound validate. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { formatRecord } from '../../../dns/zone/dnssec/text.ts'
import { parseZone } from '../../../dns/zone/master-file.ts'
import { testDirectory, waitUntil } from '../../support/index.ts'
import { clusterOf, dig, freePort, serve, type Teardown } from '../support/index.ts'
import { type KeyKind, makeZoneKey, type ZoneKeyFiles } from '../support/zone-keys.ts'

const run = promisify(execFile)

/** Asks with delv, which says for itself whether the answer is validated. */
async function delv(
  port: number,
  zone: string,
  key: ZoneKeyFiles,
  directory: string,
  ...args: string[]
): Promise<string> {
  const anchors = join(directory, `anchors-${zone}`)
  const { flags, algorithm, publicKey } = key
  writeFileSync(anchors, `trust-anchors { "${zone}" static-key ${flags} 3 ${algorithm} "${publicKey}"; };\n`)
  const { stdout } = await run('delv', [
    '@127.0.0.1',
    '-p',
    String(port),
    '-a',
    anchors,
    `+root=${zone}`,
    ...args,
  ])
  return stdout
}

const zoneText = [
  '$TTL 300',
  '@ SOA ns root 5 1800 900 604800 60',
  '@ NS ns',
  'ns A 192.0.2.53',
  'MX MX 10 Mail',
  'mail A 192.0.2.25',
  'www CNAME mail',
  '*.wild TXT "quote \\" and \\\\ and \\200"',
  'deep.empty.non A 192.0.2.1',
  'sub NS ns.sub',
  'ns.sub A 192.0.2.99',
  'safe NS ns.sub',
  'safe DS 12345 13 2 0011223344556677889900112233445566778899001122334455667788990011',
  '_sip._udp SRV 1 2 5060 mail',
  '',
].join('\n')

for (const kind of ['ecdsa', 'ed25519', 'rsa'] as const satisfies KeyKind[]) {
  test(`dnssec with ${kind}: answers and denials validate`, async (t) => {
    const directory = testDirectory(t, 'dnssec')
    const key = makeZoneKey(directory, 'example.org.', { kind })
    writeFileSync(join(directory, 'zone'), zoneText)
    const { port, metrics } = await serve(
      t,
      `example.org {\n bind 127.0.0.1\n root ${directory}\n prometheus 127.0.0.1:0\n dnssec {\n key file ${key.base}\n }\n file zone\n}`,
    )
    const ask = (name: string, type: string) => delv(port, 'example.org', key, directory, name, type)
    // What does not depend on the algorithm is asked once.
    const some = kind === 'ecdsa' ? 99 : 2
    for (const [name, type] of [
      ['mail.example.org', 'A'],
      ['mx.EXAMPLE.org', 'MX'],
      ['www.example.org', 'A'],
      ['a.wild.example.org', 'TXT'],
      ['_sip._udp.example.org', 'SRV'],
      ['example.org', 'SOA'],
      ['example.org', 'NS'],
      ['example.org', 'DNSKEY'],
    ].slice(0, some) as [string, string][]) {
      t.regex(await ask(name, type), /; fully validated/, `${name} ${type}`)
    }
    for (const [name, type] of [
      ['mail.example.org', 'AAAA'],
      ['nothing.example.org', 'A'],
      ['empty.non.example.org', 'A'],
      ['www.example.org', 'AAAA'],
      ['example.org', 'A'],
    ].slice(0, some) as [string, string][]) {
      t.regex(
        await ask(name, type),
        /; negative response, fully validated|; fully validated/,
        `${name} ${type}`,
      )
    }
    const denied = await dig(port, 'nothing.example.org', 'A', '+dnssec')
    t.is(denied.status, 'NOERROR')
    t.true(
      denied.authority.some((line) => /NSEC \\000\.nothing\.example\.org\. RRSIG NSEC TYPE128/.test(line)),
    )
    t.regex(
      await ask('mail.example.org', 'NSEC'),
      /; fully validated\n.*NSEC/,
      'it says of itself that it is there',
    )
    // Without DO nothing changes.
    t.is((await dig(port, 'nothing.example.org', 'A')).status, 'NXDOMAIN')
    t.is((await dig(port, 'mail.example.org', 'A')).answer.length, 1)
    const text = await metrics.metrics()
    t.regex(text, /coredns_dnssec_cache_entries\{server="[^"]+",type="signature"\} [1-9]/)
    t.regex(text, /coredns_dnssec_cache_misses_total\{server="[^"]+"\} [1-9]/)
  })
}

test('dnssec: keys of both kinds, a cluster zone, delegations, the cache in front', async (t) => {
  const directory = testDirectory(t, 'dnssec')
  const ksk = makeZoneKey(directory, 'cluster.local.', { flags: 257 })
  const zsk = makeZoneKey(directory, 'cluster.local.', { flags: 256 })
  const { store } = await clusterOf(
    t,
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: 'catalog' },
      spec: {
        clusterIP: '10.96.0.20',
        clusterIPs: ['10.96.0.20'],
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      },
    },
  )
  const { port } = await serve(
    t,
    `cluster.local {\n bind 127.0.0.1\n cache\n dnssec {\n key file ${ksk.base}.key ${zsk.base}.private\n cache_capacity 5\n }\n kubernetes\n}`,
    { store },
  )
  const name = 'catalog.shop.svc.cluster.local'
  for (let i = 0; i < 2; i += 1) {
    t.regex(await delv(port, 'cluster.local', ksk, directory, name, 'A'), /; fully validated/)
    t.regex(
      await delv(port, 'cluster.local', ksk, directory, `_http._tcp.${name}`, 'SRV'),
      /; fully validated/,
    )
    t.regex(
      await delv(port, 'cluster.local', ksk, directory, 'none.shop.svc.cluster.local', 'A'),
      /; negative response, fully validated/,
    )
  }
  // The key that signs keys signs nothing else.
  const tagOf = (key: ZoneKeyFiles): string => String(Number(key.base.split('+').at(-1)))
  const signedBy = async (asked: string, type: string): Promise<string[]> =>
    (await dig(port, asked, type, '+dnssec', '+bufsize=4096')).answer
      .filter((line) => line.includes(' RRSIG '))
      .map((line) => line.split(' ')[9] ?? '')
  t.deepEqual(await signedBy(name, 'A'), [tagOf(zsk)])
  t.deepEqual(await signedBy('cluster.local', 'DNSKEY'), [tagOf(ksk)])
})

test('sign and file: the signed zone validates, and is signed anew when its file changes', async (t) => {
  const directory = testDirectory(t, 'sign')
  const key = makeZoneKey(directory, 'example.org.')
  writeFileSync(join(directory, 'zone'), zoneText)
  const { port, lines } = await serve(
    t,
    `example.org {\n bind 127.0.0.1\n root ${directory}\n sign zone {\n key directory .\n directory out\n }\n file out/db.example.org.signed {\n reload 200ms\n }\n transfer {\n to *\n }\n}`,
  )
  await waitUntil(async () => (await dig(port, 'mail.example.org', 'A')).answer.length === 1)
  const ask = (name: string, type: string) => delv(port, 'example.org', key, directory, name, type)
  for (const [name, type] of [
    ['mail.example.org', 'A'],
    ['mx.example.org', 'MX'],
    ['www.example.org', 'A'],
    ['a.b.wild.example.org', 'TXT'],
    ['example.org', 'CDS'],
    ['example.org', 'CDNSKEY'],
    ['safe.example.org', 'DS'],
  ] as const)
    t.regex(await ask(name, type), /; fully validated/, `${name} ${type}`)
  for (const [name, type] of [
    ['mail.example.org', 'AAAA'],
    ['nothing.example.org', 'A'],
    ['zzz.example.org', 'A'],
    ['empty.non.example.org', 'A'],
    ['a.wild.example.org', 'A'],
    ['wild.example.org', 'A'],
    ['sub.example.org', 'DS'],
    ['www.example.org', 'AAAA'],
  ] as const)
    t.regex(
      await ask(name, type),
      /; negative response, fully validated|; fully validated/,
      `${name} ${type}`,
    )
  t.is((await dig(port, 'nothing.example.org', 'A', '+dnssec')).status, 'NXDOMAIN')
  // A delegation with DS is signed, one without is proved to have none, glue is not signed.
  const safe = await dig(port, 'x.safe.example.org', 'A', '+dnssec')
  t.true(safe.authority.some((line) => / RRSIG DS /.test(line)))
  const plain = await dig(port, 'x.sub.example.org', 'A', '+dnssec')
  t.true(plain.authority.some((line) => / NSEC \S+ NS RRSIG NSEC$/.test(line)))
  t.false(plain.additional.some((line) => line.includes('RRSIG')))
  // Another file: signed again by the next look, here by a new start of the plugin.
  const file = join(directory, 'out', 'db.example.org.signed')
  const text = readFileSync(file, 'utf8')
  const records = parseZone(text, { origin: 'example.org.', file })
  t.deepEqual(records.map(formatRecord), text.trimEnd().split('\n'))
  writeFileSync(join(directory, 'zone'), `${zoneText}fresh A 192.0.2.200\n`)
  await waitUntil(async () => (await dig(port, 'fresh.example.org', 'A')).answer.length === 1, {
    timeoutMs: 60_000,
  })
  t.true(lines.some((line) => line.includes('its file changed')))
  t.regex(await ask('fresh.example.org', 'A'), /; fully validated/)
})

/** A resolver with a trust anchor for example.org, which it asks our server for. */
async function unboundFor(
  t: Teardown,
  directory: string,
  upstream: number,
  key: ZoneKeyFiles,
): Promise<number> {
  const port = await freePort()
  const config = join(directory, 'unbound.conf')
  writeFileSync(
    config,
    `server:
  interface: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  directory: "${directory}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  trust-anchor: "example.org. DNSKEY ${key.flags} 3 ${key.algorithm} ${key.publicKey}"
remote-control:
  control-enable: no
stub-zone:
  name: "example.org"
  stub-addr: 127.0.0.1@${upstream}
`,
  )
  const child = spawn('/usr/sbin/unbound', ['-d', '-c', config], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  })
  return port
}

const unboundTest = existsSync('/usr/sbin/unbound') ? test : test.skip

unboundTest('unbound validates zones signed on line and off line', async (t) => {
  const directory = testDirectory(t, 'unbound')
  const key = makeZoneKey(directory, 'example.org.')
  writeFileSync(join(directory, 'zone'), zoneText)
  const online = `dnssec {\n key file ${key.base}\n }\n file zone`
  const offline = `sign zone {\n key file ${key.base}\n directory .\n }\n file db.example.org.signed {\n reload 200ms\n }`
  for (const lines of [online, offline]) {
    const ours = await serve(t, `example.org {\n bind 127.0.0.1\n root ${directory}\n ${lines}\n}`)
    const port = await unboundFor(t, directory, ours.port, key)
    await waitUntil(async () => (await dig(port, 'mail.example.org', 'A', '+dnssec')).flags.includes('ad'))
    for (const name of [
      'www.example.org',
      'nothing.example.org',
      'empty.non.example.org',
      'b.wild.example.org',
    ]) {
      const { flags, status } = await dig(port, name, 'A', '+dnssec')
      t.true(flags.includes('ad'), name)
      t.not(status, 'SERVFAIL')
    }
  }
})

test('dnssec and sign: what is wrong in the Corefile', async (t) => {
  const directory = testDirectory(t, 'keys')
  const key = makeZoneKey(directory, 'example.org.', { flags: 256 })
  for (const [line, message] of [
    ['dnssec', /needs the line: key file/],
    ['dnssec {\n key aws_secretsmanager x\n }', /keys are read with: key file/],
    ['dnssec {\n key file /nonexistent\n }', /the file of the key is missing/],
    ['sign zone', /needs the line: key file/],
    ['sign', /needs at least 1 argument/],
    [`sign zone {\n key file ${key.base}\n }`, /must be a key signing key/],
  ] as const)
    await t.throwsAsync(serve(t, `example.org {\n bind 127.0.0.1\n ${line}\n}`), { message })
})
