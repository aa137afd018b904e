/** Where Plexus differs from CoreDNS on purpose, each with its reason; dns/README.md lists them for users. */
import type { Deliberate } from './pair.ts'

export const negativeTtl: Deliberate = {
  why: 'RFC 2308 §3: the SOA of a negative answer lives no longer than its minimum',
  forgive: (lines) => {
    const soa = lines.filter((line) => / authority: \S+ ttl=\d+ IN SOA /.test(line))
    const bare = new Set(soa.map((line) => line.replace(/^\w+ +/, '').replace(/ttl=\d+/, '')))
    return soa.length === 2 && bare.size === 1 ? lines.filter((line) => !soa.includes(line)) : lines
  },
}
export const nodataAfterAlias: Deliberate = {
  why: 'RFC 2308 §2.2: a chain that ends without the type has the SOA in the authority section',
  forgive: (lines) =>
    lines.every((line) =>
      /^ours +authority: \S+ ttl=\d+ IN SOA |^theirs +authority: \S+ ttl=\d+ IN NS /.test(line),
    ) && lines.some((line) => line.startsWith('ours'))
      ? []
      : lines,
}
export const wholeAny: Deliberate = {
  why: 'ANY is answered with what there is (RFC 1035 §3.2.3), unless the any plugin is there',
  forgive: (lines, query) => (/ ANY/.test(query) ? [] : lines),
}

export const glue: Deliberate = {
  why: 'a referral has the addresses of all servers that the zone knows, not only of those below the cut',
  forgive: (lines) =>
    lines.every((line) => /^ours +additional: \S+ ttl=\d+ IN (?:A|AAAA) /.test(line)) ? [] : lines,
}

export const nsidWithoutDo: Deliberate = {
  why: 'RFC 3225 §3: DO is copied from the query, also beside NSID',
  forgive: (lines) => {
    const [ours, theirs] = lines.filter((line) => / opt: /.test(line))
    return theirs?.replace('theirs', 'ours  ').replace(' do ', ' ') === ours
      ? lines.filter((line) => line !== ours && line !== theirs)
      : lines
  },
}

export const optionsEchoed: Deliberate = {
  why: 'RFC 6891 §6.1.2: options of the query are not sent back as they came (a client cookie alone, an empty NSID)',
  forgive: (lines) => {
    const [ours, theirs] = lines.filter((line) => / opt: v/.test(line))
    const bare = (line: string | undefined): string | undefined =>
      line
        ?.replace(/ \d+:[\da-f]*/g, '')
        .slice(7)
        .trim()
    return bare(theirs) === bare(ours) ? lines.filter((line) => line !== ours && line !== theirs) : lines
  },
}

export const optUnasked: Deliberate = {
  why: 'RFC 6891 §6.1.1: OPT is for clients that sent OPT, also where rewrite or acl has something for it',
  forgive: (lines) => {
    const opts = lines.filter((line) => / opt: /.test(line))
    return opts[0] === 'ours   opt: none' ? lines.filter((line) => !opts.includes(line)) : lines
  },
}

export const localAuthority: Deliberate = {
  why: 'RFC 6303 §3: local zones are answered with authority',
  forgive: (lines) => {
    const heads = lines.filter((line) => / head: /.test(line))
    const bare = new Set(heads.map((line) => line.slice(7).replace('[qr aa', '[qr')))
    return heads.length === 2 && bare.size === 1 && / aa/.test(heads[0] ?? '')
      ? lines.filter((line) => !heads.includes(line))
      : lines
  },
}

export const badVersion: Deliberate = {
  why: 'RFC 6891 §6.1.1: OPT beside BADVERS says our size, and DO is copied',
  forgive: (lines, query) =>
    /\+version=/.test(query) ? lines.filter((line) => !/ opt: v0 /.test(line)) : lines,
}

export const notify: Deliberate = {
  why: 'RFC 1996 §4.7: NOTIFY for a zone that has no primary is refused, not dropped; RD is copied as in every answer',
  forgive: (lines, query) => (/\+opcode=4/.test(query) ? [] : lines),
}

export const cnameToNothing: Deliberate = {
  why: 'RFC 1034 §4.3.2: the CNAME of an ExternalName is shown also where its target in the zone has nothing of the type',
  forgive: (lines) =>
    lines.every((line) =>
      /^ours +answer: \S+ ttl=\d+ IN CNAME |^theirs +authority: \S+ ttl=\d+ IN SOA /.test(line),
    )
      ? []
      : lines,
}

export const soaOfNothing: Deliberate = {
  why: 'SOA of a name that does not exist is NXDOMAIN like every other type, not NODATA',
  forgive: (lines, query) =>
    / SOA/.test(query) &&
    lines.length === 2 &&
    / NXDOMAIN /.test(lines[0] ?? '') &&
    / NOERROR /.test(lines[1] ?? '')
      ? []
      : lines,
}

export const nameExists: Deliberate = {
  why: 'RFC 8020: a name that exists is never NXDOMAIN, nor passed on (TXT of svc and namespaces, names of addresses asked for another type)',
  forgive: (lines) =>
    / head: \S+ \d+ NOERROR /.test(lines[0] ?? '') &&
    lines.some((line) => /^theirs head: .* (?:NXDOMAIN|REFUSED) /.test(line)) &&
    !lines.some((line) => / answer: /.test(line))
      ? []
      : lines,
}

export const apexServer: Deliberate = {
  why: 'the zone always has a name server, also where the server listens on loopback only',
  forgive: (lines, query) =>
    /^(?:(?:cluster\.local|10\.in-addr\.arpa|0\.0\.d\.f\.ip6\.arpa)\. NS|ns\.dns\.cluster\.local\. )/.test(
      query,
    )
      ? []
      : lines,
}

const artefact = (why: string, query: RegExp, line: RegExp): Deliberate => ({
  why,
  forgive: (lines, asked) => (query.test(asked) && lines.some((one) => line.test(one)) ? [] : lines),
})

/** Of the kubernetes plugin: where CoreDNS answers what the specification does not know, and the other way round. */
export const clusterDifferences: readonly Deliberate[] = [
  negativeTtl,
  wholeAny,
  cnameToNothing,
  soaOfNothing,
  nameExists,
  apexServer,
  artefact(
    'a reverse zone has addresses and nothing else',
    /^(?:svc|dns-version|ns\.dns)\.10\.in-addr\.arpa/,
    /NXDOMAIN|REFUSED/,
  ),
  artefact(
    'pods have no ports, so no SRV',
    /\.pod\.cluster\.local\. SRV/,
    /theirs answer: \S+ ttl=\d+ IN SRV 0 100 0 /,
  ),
  artefact(
    'there are no names below that of a pod',
    /^x\.1-2-3-4\.shop\.pod/,
    /ours +head: .* NXDOMAIN|theirs head: .* NOERROR/,
  ),
  artefact('pods have names for all their addresses, not only the first', /^fd00-244--5\.shop\.pod/, /./),
  artefact(
    'a service that empty_service hides has no reverse name either',
    /^0\.3\.0.*ip6\.arpa\. PTR/,
    /ours +head: .* NXDOMAIN/,
  ),
  artefact(
    'namespace_labels hides addresses too',
    /^(?:1\.0\.96\.10|2\.0\.18\.172)\.in-addr\.arpa\. PTR/,
    /ours +head: .* NXDOMAIN/,
  ),
  artefact(
    'a reverse name that exists is not passed on for other types',
    /\.arpa\. (?!PTR)/,
    /theirs head: .* REFUSED|ours +authority/,
  ),
]
