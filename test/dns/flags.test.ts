import test from 'ava'
import { DnsError, describeDnsFlags, parseDnsFlags } from '#dns'

test('the flags of CoreDNS, with one dash or two', (t) => {
  const none = {
    conf: undefined,
    port: 53,
    pidfile: undefined,
    quiet: false,
    plugins: false,
    version: false,
    help: false,
    workers: undefined,
    nodeLocal: undefined,
  }
  const rows: [string[], object][] = [
    [[], none],
    [['-conf', 'C'], { ...none, conf: 'C' }],
    [['--conf=stdin', '-p', '1053'], { ...none, conf: 'stdin', port: 1053 }],
    [['-dns.port=5300', '-quiet', '-pidfile', '/p'], { ...none, port: 5300, quiet: true, pidfile: '/p' }],
    [['-workers', '3'], { ...none, workers: 3 }],
    [['-quiet=false', '--version', '-plugins=T'], { ...none, version: true, plugins: true }],
  ]
  for (const [argv, wanted] of rows) t.deepEqual(parseDnsFlags(argv), wanted as never)
  for (const wrong of [
    ['-conf'],
    ['-p', 'x'],
    ['-p', '70000'],
    ['-frob'],
    ['Corefile'],
    ['-quiet=maybe'],
    ['-workers', '0'],
  ]) {
    t.is(t.throws(() => parseDnsFlags(wrong), { instanceOf: DnsError })?.code, 'DNS_FLAG', wrong.join(' '))
  }
  const { nodeLocal } = parseDnsFlags(
    '-localip 169.254.20.10,fd00::10 -setupiptables=false -skipteardown -syncinterval 5'.split(' '),
  )
  t.like(nodeLocal, {
    addresses: ['169.254.20.10', 'fd00::10'],
    interfaceName: 'nodelocaldns',
    withoutInterface: false,
    withoutNotrack: true,
    keepInterface: true,
    syncMs: 5000,
  })
  t.is(describeDnsFlags(parseDnsFlags([])), undefined)
  t.regex(describeDnsFlags(parseDnsFlags(['-plugins'])) ?? '', /^dns\.kubernetes$/m)
  for (const help of ['-h', '--help'])
    t.regex(describeDnsFlags(parseDnsFlags([help])) ?? '', /^Usage: plexus dns .*\n\n {2}-conf FILE/s)
  t.regex(describeDnsFlags(parseDnsFlags(['-version'])) ?? '', /^Plexus DNS \d/)
})
