import { existsSync, readFileSync } from 'node:fs'
import { type Corefile, type ParseOptions, parseCorefile, readCorefile } from '../corefile/parse.ts'
import { parseZoneKey } from '../corefile/zone-key.ts'
import { checkDirectives } from './check.ts'

/** Where a Corefile comes from: a path, 'stdin', its text, or (undefined) ./Corefile if there is one. */
export type CorefileSource =
  | string
  | { readonly text: string; readonly name?: string | undefined }
  | undefined

/** The Corefile of a server started without one, as in CoreDNS. */
const defaultCorefile = '.:53 {\n    whoami\n    log\n}\n'

let stdin: string | undefined

/** Reads and parses. Throws DnsError. */
export function openCorefile(source: CorefileSource, options: ParseOptions = {}): Corefile {
  if (typeof source === 'object') return parseCorefile(source.text, source.name ?? 'Corefile', options)
  if (source === 'stdin') {
    // It can be read once, and is wanted again for the check and at each reload.
    stdin ??= readFileSync(0, 'utf8')
    return parseCorefile(stdin, 'stdin', options)
  }
  if (source === undefined && !existsSync('Corefile'))
    return parseCorefile(defaultCorefile, 'default Corefile', options)
  return readCorefile(source ?? 'Corefile', options)
}

/** Reads a Corefile and checks keys and directives without setting anything up. Throws DnsError. */
export function loadCorefile(source: CorefileSource, options: ParseOptions = {}): Corefile {
  const corefile = openCorefile(source, options)
  for (const block of corefile.blocks) {
    for (const key of block.keys) parseZoneKey(key.text, key, 53)
    checkDirectives(block)
  }
  return corefile
}
