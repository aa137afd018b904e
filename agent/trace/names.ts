// Names that are no Service's, asked of this agent's own DNS.
import { Resolver } from 'node:dns/promises'

/** What the DNS component tells about itself. */
export interface NameServer {
  addresses(): readonly string[]
  ports(): readonly number[]
}

export interface Answer {
  readonly addresses: readonly string[]
  /** for people: what DNS said */
  readonly said: string
}

/** Asks for the addresses of a name, as it is, without a search path. `dns` undefined: nobody can be asked. */
export async function lookUp(name: string, family: 4 | 6, dns: NameServer | undefined): Promise<Answer> {
  const server = dns === undefined ? undefined : serverOf(dns)
  if (server === undefined)
    return { addresses: [], said: `${name} is no Service's name, and this agent runs no DNS` }
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([server])
  try {
    const addresses = family === 6 ? await resolver.resolve6(name) : await resolver.resolve4(name)
    return { addresses, said: `DNS of this node: ${name} is ${addresses.join(', ')}` }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return { addresses: [], said: `DNS of this node: ${name}: ${reasons[code] ?? code}` }
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such name (NXDOMAIN)',
  ENODATA: 'the name exists, without an address of this family',
  ESERVFAIL: 'SERVFAIL: the server it is forwarded to does not answer, or answers that',
  EREFUSED: 'REFUSED: no server block answers for it',
  ETIMEOUT: 'no answer in time',
}

function serverOf(dns: NameServer): string | undefined {
  const [address] = dns.addresses().filter((candidate) => !candidate.includes('%'))
  const [port] = dns.ports()
  if (address === undefined || port === undefined) return undefined
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
