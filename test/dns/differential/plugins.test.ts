/** Plugins that answer or change answers without anything outside: each in server blocks of its own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { missingCoredns } from './coredns.ts'
import { negativeTtl, nodataAfterAlias, nsidWithoutDo, optionsEchoed, wholeAny } from './deliberate.ts'
import { type CompareOptions, compare, startPair } from './pair.ts'
import { each } from './question.ts'

const differential = missingCoredns() === undefined ? test.serial : test.skip
const zone = (name: string): string => readFileSync(join(import.meta.dirname, 'zones', name), 'utf8')
const lenient: CompareOptions = {
  cut: true,
  unused: true,
  deliberate: [negativeTtl, nodataAfterAlias, wholeAny, nsidWithoutDo, optionsEchoed],
}
const files = {
  'example.org.zone': zone('example.org.zone'),
  'other.test.zone': zone('other.test.zone'),
  hosts:
    '192.0.2.1 a.hosts.test b.hosts.test\n192.0.2.2 a.hosts.test # again\n2001:db8::1 a.hosts.test\n192.0.2.3 UPPER.hosts.test\n# nothing\n::1%lo scoped.hosts.test\n300.1.1.1 bad.hosts.test\n192.0.2.4\n192.0.2.9 outside.test\n192.0.2.8 *.wild.hosts.test\n',
  'resolv.conf': 'nameserver 192.0.2.1\nsearch one.test two.test example.org\noptions ndots:5\n',
  weights: 'w.example.org\n192.0.2.80 3\n192.0.2.81 1\n',
}

interface Scenario {
  readonly corefile: string
  readonly queries: readonly string[]
}

const scenarios: Readonly<Record<string, Scenario>> = {
  hosts: {
    corefile: `hosts.test {
    hosts {DIR}/hosts hosts.test {
        192.0.2.10 inline.hosts.test other.hosts.test
        ttl 60
        fallthrough sub.hosts.test
    }
    whoami
}
in-addr.arpa ip6.arpa {
    hosts {DIR}/hosts
}
noreverse.test in-addr.arpa:{PORT} {
    hosts {DIR}/hosts {
        no_reverse
    }
}
`.replace(/noreverse[\s\S]*/, ''),
    queries: each(
      [
        'a.hosts.test.',
        'A.HOSTS.test.',
        'b.hosts.test.',
        'upper.hosts.test.',
        'scoped.hosts.test.',
        'bad.hosts.test.',
        'inline.hosts.test.',
        'none.hosts.test.',
        'x.sub.hosts.test.',
        'hosts.test.',
        'x.wild.hosts.test.',
        'x.y.wild.hosts.test.',
        'wild.hosts.test.',
        '1.2.0.192.in-addr.arpa.',
        '10.2.0.192.in-addr.arpa.',
        '99.2.0.192.in-addr.arpa.',
        '9.2.0.192.in-addr.arpa.',
        '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.',
      ],
      'A AAAA PTR MX TXT SOA NS ANY CNAME',
      '',
      '+do',
    ),
  },
  template: {
    corefile: `template.test {
    template IN A {
        match ^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]template[.]test[.]$
        answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
        authority "template.test. 300 IN NS ns.template.test."
        additional "ns.template.test. 300 IN A 192.0.2.1"
        fallthrough
    }
    template IN AAAA {
        rcode NXDOMAIN
        ederror 21 "Blocked"
        authority "{{ .Zone }} 60 IN SOA ns.{{ .Zone }} host.{{ .Zone }} 1 2 3 4 60"
    }
    template IN MX {
        match "^(?P<name>.*)[.]template[.]test[.]$"
        answer "{{ .Name }} 60 IN MX 10 {{ .Group.name }}.mail.test."
        answer "{{ .Name }} 60 {{ .Class }} MX 20 {{ index .Match 1 }}.backup.test."
    }
    template IN TXT {
        answer "{{ .Name }} 60 IN TXT {{ .Type }} {{ .Class }} {{ .Remote }} {{ .Zone }} {{ len .Name }} {{ .Question.Name }}"
    }
    template IN CNAME {
        match ^odd
        answer "not a record"
    }
    template IN SRV {
        answer "{{ if eq .Name \\"x.template.test.\\" }}{{ .Name }} 60 IN SRV 1 2 3 yes.{{ else }}{{ .Name }} 60 IN SRV 1 2 3 no.{{ end }}"
    }
    template IN NS {
        rcode REFUSED
    }
    template IN LOC {
        answer "{{ with .Name }}{{ . }} 60 IN TXT with{{ end }}"
        answer "{{ $x := .Name }}{{ $x }} 60 IN TXT {{ range $i, $e := .Match }}{{ $i }}{{ $e }}{{ end }}"
        answer "{{ .Name }} 60 IN TXT {{ parseInt \\"ff\\" 16 32 }} {{ printf \\"%03d-%s-%x-%q\\" 7 .Type 255 .Class }}"
    }
    template CH TXT {
        answer "{{ .Name }} 0 CH TXT chaos"
    }
    template ANY HINFO {
        rcode NOERROR
    }
}
`,
    queries: each(
      [
        'ip-10-0-0-1.template.test.',
        'IP-10-0-0-2.template.TEST.',
        'ip-300-0-0-1.template.test.',
        'x.template.test.',
        'a.b.template.test.',
        'odd.template.test.',
        'template.test.',
      ],
      'A AAAA MX TXT CNAME SRV NS LOC HINFO PTR ANY',
      '',
      '+edns',
      '+class=CH',
    ),
  },
  rewrite: {
    corefile: `rw.test {
    rewrite continue name exact a.rw.test web.example.org
    rewrite stop {
        name suffix .suffix.rw.test .example.org
        answer auto
    }
    rewrite name suffix .noauto.rw.test .example.org
    rewrite stop {
        name regex (.*)\\.regex\\.rw\\.test {1}.example.org
        answer name (.*)\\.example\\.org {1}.regex.rw.test
    }
    rewrite stop {
        name regex (.*)\\.value\\.rw\\.test {1}.example.org
        answer name (.*)\\.example\\.org {1}.value.rw.test
        answer value (.*)\\.example\\.org {1}.value.rw.test
    }
    rewrite stop {
        name regex (.*)\\.rauto\\.rw\\.test {1}.example.org
        answer auto
    }
    rewrite name prefix pre- pre.
    rewrite name substring .mid.rw.test .example.org answer auto
    rewrite name exact exact.rw.test _sip._udp.example.org
    rewrite ttl regex .*ttl\\.rw\\.test 77
    file {DIR}/example.org.zone example.org
    file {DIR}/other.test.zone other.test
}
`,
    queries: each(
      [
        'a.rw.test.',
        'A.RW.test.',
        'web.suffix.rw.test.',
        'www.suffix.rw.test.',
        'mail.suffix.rw.test.',
        '_sip._udp.suffix.rw.test.',
        'nothere.suffix.rw.test.',
        'web.noauto.rw.test.',
        'nothere.noauto.rw.test.',
        'web.regex.rw.test.',
        'www.regex.rw.test.',
        'WWW.regex.rw.test.',
        'web.value.rw.test.',
        'www.value.rw.test.',
        '_sip._udp.value.rw.test.',
        'naptr.value.rw.test.',
        'web.rauto.rw.test.',
        'www.rauto.rw.test.',
        'pre-x.rw.test.',
        'web.mid.rw.test.',
        'www.mid.rw.test.',
        'exact.rw.test.',
        'none.rw.test.',
      ],
      'A AAAA SRV MX CNAME NAPTR SOA TXT',
      '',
      '+edns',
    ),
  },
  'rewrite of other fields': {
    corefile: `example.org {
    rewrite continue type MX TXT
    rewrite continue class CH IN
    rewrite continue ttl exact web.example.org 30-60
    rewrite continue ttl suffix wild.example.org 5
    rewrite continue ttl prefix mail -100
    rewrite continue ttl substring many 7000-
    rewrite continue rcode exact nothere.example.org NXDOMAIN NOERROR
    rewrite continue rcode regex ^refuse 3 5
    rewrite continue cname exact www.example.net. web.example.org.
    rewrite continue cname regex (.*)\\.other\\.test {1}.example.org
    rewrite continue cname suffix nothere.example.org. web.example.org.
    rewrite edns0 local set 0xffee abcd
    chaos
    file {DIR}/example.org.zone
}
`,
    queries: each(
      [
        'web.example.org.',
        'www.example.org.',
        'a.wild.example.org.',
        'mail.example.org.',
        'many.example.org.',
        'nothere.example.org.',
        'refuse.example.org.',
        'ext.example.org.',
        'toother.example.org.',
        'dangling.example.org.',
        'example.org.',
      ],
      'A AAAA MX TXT CNAME SOA',
      '',
      '+edns',
      '+class=CH',
      '+opt=65518:0102',
    ),
  },
  acl: {
    corefile: `block.test {
    acl {
        block type A net 127.0.0.0/8
        filter type AAAA net 127.0.0.1
        allow type TXT
        block type MX net 192.0.2.0/24
        block type SRV
    }
    whoami
}
drop.test {
    acl {
        drop type A
        allow
    }
    whoami
}
zones.test {
    acl sub.zones.test {
        block
    }
    whoami
}
`,
    queries: each(
      ['x.block.test.', 'x.zones.test.', 'x.sub.zones.test.', 'x.drop.test.'],
      'AAAA TXT MX SRV NS ANY',
      '',
      '+edns',
      '+tcp',
    ).concat(each(['x.block.test.'], 'A', '', '+do', '+edns')),
  },
  'header, minimal, loadbalance, local, root': {
    corefile: `example.org {
    header {
        response set ra ad
        response clear aa
        query clear rd
    }
    loadbalance
    root {DIR}
    file example.org.zone
}
other.test {
    minimal
    local
    file {DIR}/other.test.zone
}
. {
    local
    whoami
}
`,
    queries: each(
      [
        'web.example.org.',
        'many.example.org.',
        'nothere.example.org.',
        'www.other.test.',
        'back.other.test.',
        'other.test.',
        'none.other.test.',
        'localhost.',
        'x.localhost.',
        'localhost.x.test.',
        'LOCALHOST.',
        '1.0.0.127.in-addr.arpa.',
        '0.in-addr.arpa.',
        '255.in-addr.arpa.',
        '127.in-addr.arpa.',
        '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.',
      ],
      'A AAAA NS SOA PTR TXT MX',
      '',
      '+do',
      '+norec',
      '+ad',
    ),
  },
  dns64: {
    corefile: `example.org {
    dns64 {
        allow_ipv4
    }
    file {DIR}/example.org.zone
}
other.test {
    dns64 2001:db8:64::/96 {
        translate_all
        allow_ipv4
    }
    file {DIR}/other.test.zone
}
`.replace('dns64 2001:db8:64::/96 {', 'dns64 {\n        prefix 2001:db8:64::/96'),
    queries: each(
      [
        'web.example.org.',
        'www.example.org.',
        'mail.example.org.',
        'nothere.example.org.',
        'dangling.example.org.',
        'hinfo.example.org.',
        'example.org.',
        'www.other.test.',
        'other.test.',
        'back.other.test.',
        'ttlmix.example.org.',
      ],
      'A AAAA TXT MX',
      '',
      '+do',
      '+cd',
      '+norec',
    ),
  },
  views: {
    corefile: `example.org {
    view tcp {
        expr proto() == 'tcp'
    }
    template IN A {
        answer "{{ .Name }} 60 IN A 192.0.2.1"
    }
}
example.org {
    view six {
        expr type() in ['AAAA', 'MX'] && name() startsWith 'six'
    }
    template IN ANY {
        rcode REFUSED
    }
}
example.org {
    view big {
        expr bufsize() > 1000 || do()
        expr incidr(client_ip(), '127.0.0.0/8')
    }
    whoami
}
example.org {
    file {DIR}/example.org.zone
}
`,
    queries: each(
      ['web.example.org.', 'six.example.org.', 'sub.example.org.'],
      'A AAAA MX TXT',
      '',
      '+tcp',
      '+edns',
      '+do',
      '+size=512',
    ),
  },
  erratic: {
    corefile: `erratic.test {
    erratic {
        drop 0
        truncate 0
        delay 0
    }
}
`,
    queries: each(['x.erratic.test.', 'erratic.test.'], 'A AAAA TXT NS SOA AXFR', '', '+tcp'),
  },
  'file with fallthrough, and a chain over several plugins': {
    corefile: `example.org {
    file {DIR}/example.org.zone {
        fallthrough nothere.example.org ent.example.org
    }
    whoami
}
. {
    hosts {
        192.0.2.77 host.other.test
        fallthrough
    }
    file {DIR}/other.test.zone other.test
    template IN A net {
        answer "{{ .Name }} 60 IN A 192.0.2.99"
    }
    erratic
}
`.replace('    erratic\n', ''),
    queries: each(
      [
        'nothere.example.org.',
        'x.nothere.example.org.',
        'ent.example.org.',
        'none.example.org.',
        'host.other.test.',
        'www.other.test.',
        'nx.other.test.',
        'ext.example.org.',
        'toother.example.org.',
        'x.net.',
        'elsewhere.',
      ],
      'A AAAA TXT',
    ),
  },
  autopath: {
    corefile: `. {
    autopath {DIR}/resolv.conf
    file {DIR}/example.org.zone example.org
    template IN A one.test two.test {
        match ^hit
        answer "{{ .Name }} 60 IN A 192.0.2.5"
        fallthrough
    }
    template ANY ANY one.test two.test {
        rcode NXDOMAIN
        authority "{{ .Zone }} 60 IN SOA ns.{{ .Zone }} host.{{ .Zone }} 1 2 3 4 60"
    }
    whoami
}
`,
    queries: each(
      [
        'web.one.test.',
        'hit.one.test.',
        'nothere.one.test.',
        'web.two.test.',
        'web.example.org.',
        'www.one.test.',
        'one.test.',
        'WEB.one.test.',
      ],
      'A AAAA MX',
    ),
  },
}

for (const [what, { corefile, queries }] of Object.entries(scenarios)) {
  differential(what, async (t) => {
    t.timeout(300_000)
    const pair = await startPair(t, { files, corefile })
    const text = (line: string): string => line.replace(/ SRV 0 0 \d+ \.$/, '')
    await compare(t, pair, queries, { ...lenient, text, patience: 3000 })
  })
}
