/** Corefiles of plugins that need nothing outside, with what to ask. Files are those of plugins.test.ts. */
import { each } from './question.ts'

export interface Scenario {
  /** differences of this one, by query, with their reasons */
  readonly meant?: readonly (readonly [query: RegExp, why: string])[]
  readonly corefile: string
  readonly queries: readonly string[]
}

export const scenarios: Readonly<Record<string, Scenario>> = {
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
      `a.hosts.test. A.HOSTS.test. b.hosts.test. upper.hosts.test. scoped.hosts.test. bad.hosts.test.
inline.hosts.test. none.hosts.test. x.sub.hosts.test. hosts.test. x.wild.hosts.test.
x.y.wild.hosts.test. wild.hosts.test. 1.2.0.192.in-addr.arpa. 10.2.0.192.in-addr.arpa.
99.2.0.192.in-addr.arpa. 9.2.0.192.in-addr.arpa.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.`,
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
      `ip-10-0-0-1.template.test. IP-10-0-0-2.template.TEST. ip-300-0-0-1.template.test. x.template.test.
a.b.template.test. odd.template.test. template.test.`,
      'A AAAA MX TXT CNAME SRV NS LOC HINFO PTR ANY',
      '',
      '+edns',
      '+class=CH',
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
      'x.block.test. x.zones.test. x.sub.zones.test. x.drop.test.',
      'AAAA TXT MX SRV NS ANY',
      '',
      '+edns',
      '+tcp',
    ).concat(each('x.block.test.', 'A', '', '+do', '+edns')),
  },
  'header, minimal, loadbalance, local, root': {
    meant: [[/localhost\./i, 'the SOA of names below localhost is that of localhost']],
    corefile: `example.org {
    header {
        response set ra
        response clear aa
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
      `web.example.org. many.example.org. nothere.example.org. www.other.test. back.other.test. other.test.
none.other.test. localhost. x.localhost. localhost.x.test. LOCALHOST. 1.0.0.127.in-addr.arpa.
0.in-addr.arpa. 255.in-addr.arpa. 127.in-addr.arpa.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.`,
      'A AAAA NS SOA PTR TXT MX',
      '',
      '+do',
      '+norec',
      '+ad',
    ),
  },
  dns64: {
    meant: [
      [/^dangling/, 'NXDOMAIN stays NXDOMAIN'],
      [/^hinfo|^other/, 'an empty answer is as it was, with its authority'],
      [/^mail|^ttlmix/, 'no longer than the negative answer, RFC 6147 §5.1.7'],
    ],
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
      `web.example.org. www.example.org. mail.example.org. nothere.example.org. dangling.example.org.
hinfo.example.org. example.org. www.other.test. other.test. back.other.test. ttlmix.example.org.`,
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
      'web.example.org. six.example.org. sub.example.org.',
      'A AAAA MX TXT',
      '',
      '+tcp',
      '+edns',
      '+do',
      '+size=512',
    ),
  },
  'erratic, by count': {
    corefile: `erratic.test {
    erratic {
        drop 5
        truncate 0
        delay 4 10ms
    }
}
`,
    queries: Array.from({ length: 12 }, () => 'x.erratic.test. A'),
  },
  erratic: {
    meant: [[/AXFR/, 'erratic has no zone to transfer']],
    corefile: `erratic.test {
    erratic {
        drop 0
        truncate 0
        delay 0
    }
}
`,
    queries: each('x.erratic.test. erratic.test.', 'A AAAA TXT NS SOA AXFR', '', '+tcp'),
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
      `nothere.example.org. x.nothere.example.org. ent.example.org. none.example.org. host.other.test.
www.other.test. nx.other.test. ext.example.org. toother.example.org. x.net. elsewhere.`,
      'A AAAA TXT',
    ),
  },
  autopath: {
    meant: [[/^one/, 'the search path has no use for its own suffix']],
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
      `web.one.test. hit.one.test. nothere.one.test. web.two.test. web.example.org. www.one.test. one.test.
WEB.one.test.`,
      'A AAAA MX',
    ),
  },
}
