// As much of a kubelet as the tests need: the Container Runtime Interface (cri-api runtime/v1/api.proto) over gRPC on
// a unix socket, with the few messages spelt out.
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'

/** A protobuf message: field number -> value; a list is a repeated field, 0 and '' are left out as defaults. */
export interface Message {
  readonly [field: number]: Value | readonly Value[]
}
type Value = string | number | Message

function encode(message: Message): Buffer {
  const parts: Buffer[] = []
  for (const [field, values] of Object.entries(message)) {
    for (const value of Array.isArray(values) ? (values as readonly Value[]) : [values as Value]) {
      if (value === 0 || value === '') continue
      if (typeof value === 'number') parts.push(varint(Number(field) << 3), varint(value))
      else {
        const bytes = typeof value === 'string' ? Buffer.from(value) : encode(value)
        parts.push(varint((Number(field) << 3) | 2), varint(bytes.length), bytes)
      }
    }
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

/** The length-delimited field at a path of field numbers; '' when it is not there. */
function textAt(bytes: Buffer, ...path: number[]): string {
  let within = bytes
  for (const wanted of path) {
    let found: Buffer | undefined
    for (let at = 0; at < within.length; ) {
      const read = (): number => {
        let value = 0
        for (let scale = 1; ; scale *= 128) {
          const byte = within[at++] ?? 0
          value += (byte & 127) * scale
          if (byte < 128) return value
        }
      }
      const tag = read()
      if ((tag & 7) === 0) read()
      else {
        const length = read()
        if (tag >> 3 === wanted) found ??= within.subarray(at, at + length)
        at += length
      }
    }
    if (found === undefined) return ''
    within = found
  }
  return within.toString()
}

export interface PodRequest {
  readonly name: string
  readonly portMappings?: readonly { hostPort: number; containerPort: number }[]
  readonly logDirectory: string
}

export class CriClient {
  readonly #session: ClientHttp2Session

  constructor(socketPath: string) {
    this.#session = connect('http://localhost', { createConnection: () => connectSocket(socketPath) })
    this.#session.on('error', () => {})
  }

  close(): void {
    this.#session.destroy()
  }

  async version(): Promise<string> {
    return textAt(await this.#call('Version', { 1: 'v1' }), 3)
  }

  /** True when the runtime says that its network is ready. */
  async isNetworkReady(): Promise<boolean> {
    const status = await this.#call('Status', {})
    // RuntimeStatus.conditions: the text is enough, a condition that is false carries a reason.
    return !status.toString('latin1').includes('NetworkPluginNotReady')
  }

  /** True when the runtime has the image; it learns of an imported one a moment later. */
  async hasImage(name: string): Promise<boolean> {
    return textAt(await this.#call('ImageStatus', { 1: { 1: name } }, 'ImageService'), 1, 1) !== ''
  }

  /** Returns the pod's id. */
  async runPod(pod: PodRequest): Promise<string> {
    return textAt(await this.#call('RunPodSandbox', { 1: sandboxConfig(pod) }), 1)
  }

  async podAddress(id: string): Promise<string> {
    return textAt(await this.#call('PodSandboxStatus', { 1: id }), 1, 5, 1)
  }

  /** Starts a container in a pod and returns its id. */
  async runContainer(id: string, pod: PodRequest, image: string, argv: readonly string[]): Promise<string> {
    const config = { 1: { 1: 'main' }, 2: { 1: image }, 3: argv, 11: 'main.log' }
    const created = await this.#call('CreateContainer', { 1: id, 2: config, 3: sandboxConfig(pod) })
    const container = textAt(created, 1)
    await this.#call('StartContainer', { 1: container })
    return container
  }

  async stopPod(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { 1: id })
  }

  async removePod(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { 1: id })
    await this.#call('RemovePodSandbox', { 1: id })
  }

  #call(method: string, message: Message, service = 'RuntimeService'): Promise<Buffer> {
    const body = encode(message)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(body.length, 1)
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': `/runtime.v1.${service}/${method}`,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      const chunks: Buffer[] = []
      let problem = ''
      const look = (headers: Record<string, unknown>): void => {
        const status = String(headers['grpc-status'] ?? '0')
        if (status !== '0')
          problem = `${method}: ${decodeURIComponent(String(headers['grpc-message'] ?? status))}`
      }
      stream.on('response', look)
      stream.on('trailers', look)
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('close', () =>
        problem === '' ? resolve(Buffer.concat(chunks).subarray(5)) : reject(new Error(problem)),
      )
      stream.end(Buffer.concat([head, body]))
    })
  }
}

function sandboxConfig({ name, portMappings = [], logDirectory }: PodRequest): Message {
  return {
    1: { 1: name, 2: `uid-${name}`, 3: 'default' },
    2: name,
    3: logDirectory,
    5: portMappings.map(({ hostPort, containerPort }) => ({ 2: containerPort, 3: hostPort })),
    8: { 1: `/plexus-test/${name}` },
  }
}
