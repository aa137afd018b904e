/**
 * The CNI executable: `main.ts <plugin type>`, run by bin/cni/<type>. It hands its environment and stdin to the agent
 * and copies the reply. Only when there is no agent does it load the plugins and does the work itself.
 */
import { readFileSync, readlinkSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Handover, handOver } from './handover/client.ts'
import { type ReplyFrame, type RequestFrame, refused } from './handover/frame.ts'
import { readEnvironment } from './protocol/environment.ts'
import { CniError, cniCodes, encodeError, toCniError } from './protocol/errors.ts'
import { aboutText, newestVersion, versionReply } from './protocol/version.ts'

const defaultSocket = '/run/plexus/cni.sock'
/** How long an agent that died with our request in hand has to come back. */
const restartPatienceMs = 300

/** Variables besides CNI_* that are handed on, to delegates among others (OpenTelemetry context of libcni). */
const passedOn = new Set(['TRACEPARENT', 'TRACESTATE', 'BAGGAGE'])

async function run(type: string): Promise<ReplyFrame> {
  const command = process.env['CNI_COMMAND'] ?? ''
  if (command === '') return { exitCode: 0, stdout: '', stderr: aboutText(type) }
  if (command === 'VERSION') return { exitCode: 0, stdout: versionReply(), stderr: '' }
  readEnvironment(process.env)
  const stdin = readStdin()
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (name.startsWith('CNI_') || passedOn.has(name))) environment[name] = value
  }
  const netns = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0'
  const request: RequestFrame = { type, netns, environment, stdin }
  const socket = readSocketPath(stdin)

  // The shim has been here before, and lost its agent with the request in hand.
  const alreadyLost = process.env['PLEXUS_CNI_LOST'] === '1'
  let handover: Handover = alreadyLost ? { outcome: 'lost' } : await handOver(socket, request)
  let repeated = false
  if (handover.outcome === 'lost') {
    repeated = true
    await sleep(restartPatienceMs)
    if (command !== 'ADD') handover = await handOver(socket, request)
  }
  if (handover.outcome === 'replied' && handover.reply.exitCode !== refused) return handover.reply
  const { serveInProcess } = await import('./standalone.ts')
  return serveInProcess(request, { repeated })
}

function readStdin(): string {
  try {
    return readFileSync(0, 'utf8')
  } catch (error) {
    throw new CniError(cniCodes.ioFailure, `error reading from stdin: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** The agent's socket, a key of the configuration. Whatever else is wrong with that is the plugin's to say. */
function readSocketPath(stdin: string): string {
  try {
    const { socket } = JSON.parse(stdin) as { socket?: unknown }
    return typeof socket === 'string' && socket !== '' ? socket : defaultSocket
  } catch {
    return defaultSocket
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(descriptor, bytes, offset)
    } catch (error) {
      // A pipe that its reader made non-blocking, and has not emptied yet.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

let reply: ReplyFrame
try {
  reply = await run(process.argv[2] ?? 'plexus')
} catch (error) {
  reply = { exitCode: 1, stdout: encodeError(toCniError(error), newestVersion), stderr: '' }
}
writeAll(2, reply.stderr)
writeAll(1, reply.stdout)
process.exit(reply.exitCode)
