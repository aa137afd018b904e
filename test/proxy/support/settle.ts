/** Sockets of a family's wildcard address, for servers that answer both. */
export const ANY = '::'

/** Splits "name address port" as probes answer; IPv4 addresses are freed of their mapped prefix. */
export function client(answer: string): { server: string; address: string } {
  const [server = '', address = ''] = answer.split(' ')
  return { server, address: address.replace(/^::ffff:/, '') }
}
