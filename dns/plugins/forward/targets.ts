import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { parseHostPort } from '../../core/host-port.ts'
import { directiveError, type Setup } from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import type { UpstreamAddress } from './options.ts'

const name = 'forward'

/** Reads one TO: an address with or without port, `tls://`, or a file in the form of resolv.conf. */
export function readTarget(argument: Argument, c: Setup): UpstreamAddress[] {
  const match = /^([a-z0-9]+):\/\/(.*)$/s.exec(argument.text)
  const scheme = match?.[1] ?? 'dns'
  const rest = match?.[2] ?? argument.text
  if (scheme !== 'dns' && scheme !== 'tls' && scheme !== 'https') {
    throw directiveError(
      argument,
      name,
      `upstreams over ${scheme}:// are not supported; dns://, tls:// and https:// are`,
    )
  }
  const defaultPort = scheme === 'tls' ? 853 : scheme === 'https' ? 443 : 53
  const address = parseHostPort(rest, defaultPort)
  if (address !== undefined) {
    const tls = scheme === 'dns' ? undefined : { servername: address.servername }
    return [{ ...address.at, tls, https: scheme === 'https' }]
  }
  const named = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::(\d{1,5}))?$/i.exec(rest)
  const file = isAbsolute(rest) ? rest : join(c.block.root, rest)
  if (match === null && statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    return readResolvConf(argument, file)
  const [, host, port] = named ?? []
  // One label is more likely a file that is missing, or a typing error, than a name.
  if (host !== undefined && (match !== null || host.includes('.'))) {
    const number = port === undefined ? defaultPort : Number(port)
    if (number < 1 || number > 65_535) throw directiveError(argument, name, `'${port}' is no port`)
    const tls = scheme === 'dns' ? undefined : { servername: host.replace(/\.$/, '') }
    return [{ host, address: '', port: number, tls, https: scheme === 'https' }]
  }
  if (match !== null) throw directiveError(argument, name, `'${rest}' is neither an IP address nor a name`)
  return readResolvConf(argument, file)
}

function readResolvConf(argument: Argument, file: string): UpstreamAddress[] {
  let text: string
  try {
    if (!statSync(file).isFile()) throw new Error('it is no file')
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw directiveError(argument, name, `'${argument.text}' is neither an IP address nor a file: ${reason}`)
  }
  const servers = text
    .split('\n')
    .map((line) => /^nameserver\s+(\S+)/.exec(line.trim())?.[1])
    .filter((server) => server !== undefined)
  const found = servers.flatMap((server) => parseHostPort(server, 53)?.at ?? [])
  if (found.length === 0) throw directiveError(argument, name, `there is no nameserver in ${file}`)
  return found.map((at) => ({ ...at, tls: undefined }))
}
