import test from 'ava'
import { DnsError, describeDnsFlags, parseDnsFlags } from '#dns'

test('the flags of CoreDNS, with one dash or two', (t) => {
  const none = { conf: undefined, port: 53, pidfile: undefined, quiet: false, plugins: false, version: false }
  const rows: [string[], object][] = [
    [[], none],
    [['-conf', 'C'], { ...none, conf: 'C' }],
    [['--conf=stdin', '-p', '1053'], { ...none, conf: 'stdin', port: 1053 }],
    [['-dns.port=5300', '-quiet', '-pidfile', '/p'], { ...none, port: 5300, quiet: true, pidfile: '/p' }],
    [['-quiet=false', '--version', '-plugins=T'], { ...none, version: true, plugins: true }],
  ]
  for (const [argv, wanted] of rows) t.deepEqual(parseDnsFlags(argv), wanted as never)
  for (const wrong of [['-conf'], ['-p', 'x'], ['-p', '70000'], ['-frob'], ['Corefile'], ['-quiet=maybe']]) {
    t.is(t.throws(() => parseDnsFlags(wrong), { instanceOf: DnsError })?.code, 'DNS_FLAG', wrong.join(' '))
  }
  t.is(describeDnsFlags(parseDnsFlags([])), undefined)
  t.regex(describeDnsFlags(parseDnsFlags(['-plugins'])) ?? '', /^dns\.kubernetes$/m)
  t.regex(describeDnsFlags(parseDnsFlags(['-version'])) ?? '', /^Plexus DNS \d/)
})
