import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Query } from '../../core/query.ts'
import {
  directiveError,
  expectArgs,
  integer,
  oneArg,
  type PluginDefinition,
  readProperties,
  type Setup,
} from '../../core/setup.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { isListenAddress, splitAddress } from '../../http/endpoints.ts'
import { DnstapPlugin } from './dnstap.ts'
import { ListeningSink, type ListenTls, OutgoingSink, type Sink, type SinkAddress } from './sink.ts'

const name = 'dnstap'
const queueUnit = 10_000
const mebibyte = 1024 * 1024

export const dnstap: PluginDefinition = {
  name,
  setup: (c) => c.directives.map((directive) => readDirective(directive, c)),
}

/** `dnstap SOCKET [full] [WRITEBUFFER] [QUEUE]` or `dnstap listen SOCKET [full]` */
function readDirective(directive: Directive, c: Setup): DnstapPlugin {
  const args = [...expectArgs(directive, name, { min: 1, max: 5 })]
  const listening = args[0]?.text === 'listen'
  if (listening) args.shift()
  const socket = args.shift()
  if (socket === undefined) throw directiveError(directive, name, 'SOCKET is missing')
  const full = args[0]?.text === 'full'
  if (full) args.shift()
  const [buffer, queue, extra] = args
  if (extra !== undefined || (listening && buffer !== undefined))
    throw directiveError(extra ?? buffer ?? directive, name, 'too many arguments')
  const state = {
    identity: hostname(),
    version: 'plexus',
    extra: '',
    skipVerify: false,
    tls: undefined as ListenTls | undefined,
  }
  readProperties(directive, name, {
    identity: (line) => {
      state.identity = oneArg(line, name).text
    },
    version: (line) => {
      state.version = oneArg(line, name).text
    },
    extra: (line) => {
      state.extra = oneArg(line, name).text
    },
    skipverify: (line) => {
      expectArgs(line, name, { min: 0 })
      state.skipVerify = true
    },
    tls: (line) => {
      if (!listening) throw directiveError(line, name, 'tls is for: dnstap listen')
      const [cert, key, ca] = expectArgs(line, name, { min: 2, max: 3 })
      const read = (argument: Argument | undefined): string => readText(argument ?? line, c)
      state.tls = { cert: read(cert), key: read(key), ca: ca === undefined ? undefined : read(ca) }
    },
  })
  const address = { ...readSocket(socket), skipVerify: state.skipVerify }
  const maxBuffered = (buffer === undefined ? 1 : integer(buffer, name, { min: 1, max: 1024 })) * mebibyte
  const waiting = (queue === undefined ? 1 : integer(queue, name, { min: 1, max: 4096 })) * queueUnit
  const sink: Sink = listening
    ? new ListeningSink(address, { maxBuffered, tls: state.tls })
    : new OutgoingSink(address, { maxBuffered, queue: waiting, log: c.log })
  const { identity, version } = state
  return new DnstapPlugin({ full, identity, version, extra: extraText(state.extra) }, sink)
}

/** '/path', 'unix:///path', 'tcp://host:port', 'tls://host:port' */
function readSocket(argument: Argument): Omit<SinkAddress, 'skipVerify'> {
  const match = /^(unix|tcp|tls):\/\/(.*)$/s.exec(argument.text)
  const [, scheme = 'unix', rest = argument.text] = match ?? []
  if (scheme === 'unix') return { kind: 'unix', path: rest, host: '', port: 0 }
  if (!isListenAddress(rest)) throw directiveError(argument, name, `'${argument.text}' is no HOST:PORT`)
  return { kind: scheme === 'tls' ? 'tls' : 'tcp', path: '', ...splitAddress(rest) }
}

function readText(at: Argument | Directive, c: Setup): string {
  const path = 'text' in at ? at.text : ''
  try {
    return readFileSync(isAbsolute(path) ? path : join(c.block.root, path), 'utf8')
  } catch (cause) {
    throw directiveError(at, name, `'${path}' cannot be read: ${String(cause)}`)
  }
}

/** `{/label}` stands for a label of *metadata*. */
function extraText(template: string): (query: Query) => string {
  if (!template.includes('{/')) return () => template
  return (query) => template.replace(/\{\/([^{}]+)\}/g, (_, label: string) => query.labels?.(label) ?? '')
}
