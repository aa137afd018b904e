// `plexus status`, `plexus get` and `plexus trace`: ask a running agent on its control socket.
import { request } from 'node:http'
import { Argument, type Command } from 'commander'
import { messageOf } from '../errors.ts'
import { formatTable } from './table.ts'
import { formatRequestTrace, formatTrace, type RequestTraceAnswer, type TraceAnswer } from './trace.ts'

const kinds = ['services', 'endpoints', 'routes', 'peers', 'nodes', 'pods'] as const
const defaultSocket = process.env['PLEXUS_SOCKET'] ?? '/run/plexus/agent.sock'

interface QueryOptions {
  readonly socket: string
  readonly output: 'table' | 'json'
}

export function addQueryCommands(program: Command): void {
  program
    .command('status')
    .description('how a running agent and its components are')
    .option('--socket <path>', "the agent's control socket", defaultSocket)
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (options: QueryOptions) => {
      const status = await ask(options.socket, '/status')
      if (options.output === 'json') return print(JSON.stringify(status, undefined, 2))
      printStatus(status as Status)
      if (!(status as Status).ready) process.exitCode = 1
    })
  program
    .command('get')
    .description(`what a running agent has programmed: ${kinds.join(', ')}`)
    .addArgument(new Argument('<kind>').choices(kinds))
    .option('--socket <path>', "the agent's control socket", defaultSocket)
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (kind: string, options: QueryOptions) => {
      const rows = (await ask(options.socket, `/get/${kind}`)) as Record<string, unknown>[]
      print(options.output === 'json' ? JSON.stringify(rows, undefined, 2) : formatTable(rows))
    })
  program
    .command('trace')
    .description(
      'what happens to a connection: the rules it meets, the endpoints it may be sent to, and why not to others',
    )
    .argument('<from>', 'Pod (NAME or NAMESPACE/NAME), "host", an IP address; or an HTTP method')
    .argument('<to>', 'SERVICE:PORT, NAMESPACE/SERVICE:PORT, DNS name:PORT, ADDRESS:PORT; or a URL')
    .option('-H, --header <field...>', 'with a method and a URL: "Name: value" of the request')
    .option('--client <address>', "with a method and a URL: the client's address", '127.0.0.1')
    .option('--protocol <name>', 'tcp, udp or sctp', 'tcp')
    .option('--family <number>', "4 or 6: which of the Service's addresses (default: its first)")
    .option('--socket <path>', "the agent's control socket", defaultSocket)
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (from: string, to: string, options: TraceOptions) => {
      if (/^[A-Z]+$/.test(from) && /^(?:https?:\/\/|\/)/.test(to)) return traceHttp(from, to, options)
      const query = new URLSearchParams({
        from,
        to,
        protocol: options.protocol,
        family: options.family ?? '',
      })
      const answer = await ask(options.socket, `/trace?${query}`)
      print(
        options.output === 'json' ? JSON.stringify(answer, undefined, 2) : formatTrace(answer as TraceAnswer),
      )
    })
}

interface TraceOptions extends QueryOptions {
  readonly protocol: string
  readonly family?: string
  readonly header?: readonly string[]
  readonly client: string
}

/** `plexus trace GET http://shop.example/cart`: which route the gateway would take. */
async function traceHttp(method: string, url: string, options: TraceOptions): Promise<void> {
  const fields = (options.header ?? []).map((field) => {
    const colon = field.indexOf(':')
    if (colon < 1) throw new Error(`${JSON.stringify(field)} is no header field such as "Name: value"`)
    return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()]
  })
  const headers = JSON.stringify(Object.fromEntries(fields))
  const query = new URLSearchParams({ method, url, headers, from: options.client })
  const answer = (await ask(options.socket, `/trace-request?${query}`)) as RequestTraceAnswer
  print(options.output === 'json' ? JSON.stringify(answer, undefined, 2) : formatRequestTrace(answer))
}

interface Status {
  readonly nodeName: string
  readonly pid: number
  readonly started: string
  readonly memoryMb: number
  readonly ready: boolean
  readonly components: Record<string, { ok: boolean; detail?: string }>
  readonly source: {
    problems: { file?: string; line?: number; object?: string; field?: string; message: string }[]
  }
}

function printStatus(status: Status): void {
  print(`node ${status.nodeName}, pid ${status.pid}, since ${status.started}, ${status.memoryMb} MB`)
  const rows = Object.entries(status.components).map(([component, { ok, detail }]) => ({
    component,
    state: ok ? 'ready' : 'NOT READY',
    detail: detail ?? '',
  }))
  print(formatTable(rows))
  for (const { file, line, object, field, message } of status.source.problems) {
    const where = [
      file === undefined ? undefined : `${file}${line === undefined ? '' : `:${line}`}`,
      object,
      field,
    ]
    print(`problem: ${[...where, message].filter((part) => part !== undefined).join(': ')}`)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function ask(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, headers: { connection: 'close' } }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (body += chunk))
      response.on('end', () => {
        const answer: unknown = JSON.parse(body)
        if (response.statusCode === 200) resolve(answer)
        else
          reject(
            new Error(
              (answer as { message?: string }).message ??
                (answer as { error?: string }).error ??
                `the agent answered ${response.statusCode}`,
            ),
          )
      })
    })
    call.on('error', (cause) =>
      reject(
        new Error(
          `no agent answers on ${socketPath} (${messageOf(cause)}): is it running? give --socket PATH`,
          { cause },
        ),
      ),
    )
    call.end()
  })
}
