/** Corefiles of the rewrite plugin, with what to ask. */
import { each } from './question.ts'
import type { Scenario } from './scenarios.ts'

export const rewriteScenarios: Readonly<Record<string, Scenario>> = {
  rewrite: {
    meant: [[/noauto/, 'the owner of an answer is always what was asked']],
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
      `a.rw.test. A.RW.test. web.suffix.rw.test. www.suffix.rw.test. mail.suffix.rw.test.
_sip._udp.suffix.rw.test. nothere.suffix.rw.test. web.noauto.rw.test. nothere.noauto.rw.test.
web.regex.rw.test. www.regex.rw.test. WWW.regex.rw.test. web.value.rw.test. www.value.rw.test.
_sip._udp.value.rw.test. naptr.value.rw.test. web.rauto.rw.test. www.rauto.rw.test. pre-x.rw.test.
web.mid.rw.test. www.mid.rw.test. exact.rw.test. none.rw.test.`,
      'A AAAA SRV MX CNAME NAPTR SOA TXT',
      '',
      '+edns',
    ),
  },
  'rewrite of other fields': {
    meant: [[/^many/, 'a client without EDNS gets 512 octets, rewritten or not']],
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
    rewrite continue cname suffix nothere.example.org. web.example.org.
    rewrite edns0 local set 0xffee abcd
    chaos
    file {DIR}/example.org.zone
}
`,
    queries: each(
      `web.example.org. www.example.org. a.wild.example.org. mail.example.org. many.example.org.
nothere.example.org. refuse.example.org. ext.example.org. toother.example.org. dangling.example.org.
example.org.`,
      'A AAAA MX TXT CNAME SOA',
      '',
      '+edns',
      '+class=CH',
      '+opt=65518:0102',
    ),
  },
}
