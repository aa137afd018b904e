// Node's own handles below `net`, reached through process.binding. That is deprecated (DEP0111) and may go away, so nothing
// here is relied on before raw/self-test.ts has seen it work; the `net` transport takes its place otherwise.

export interface Request {
  oncomplete?: ((this: Request, status: number) => void) | undefined
  owner?: unknown
  /** What must stay alive until the kernel has taken it. */
  kept?: unknown
}

interface AddressOut {
  address?: string
  port?: number
}

/** What is read from and written to. */
export interface StreamHandle {
  owner?: unknown
  onread: ((this: StreamHandle) => void) | undefined
  useUserBuffer(buffer: Uint8Array): void
  readStart(): number
  readStop(): number
  writeLatin1String(request: Request, text: string): number
  writeBuffer(request: Request, data: Uint8Array): number
  writev(request: Request, chunks: unknown[], allBuffers: boolean): number
  shutdown(request: Request): number
}

export interface TcpHandle extends StreamHandle {
  /** Bytes that the kernel has not taken yet. */
  readonly writeQueueSize: number
  onconnection: ((status: number, handle: TcpHandle | undefined) => void) | undefined
  setNoDelay(on: boolean): number
  getpeername(out: AddressOut): number
  getsockname(out: AddressOut): number
  bind(address: string, port: number, flags: number): number
  bind6(address: string, port: number, flags: number): number
  listen(backlog: number): number
  connect(request: Request, address: string, port: number): number
  connect6(request: Request, address: string, port: number): number
  close(done?: () => void): void
}

/** The parts of tcp_wrap and stream_wrap used here. */
export interface Binding {
  readonly TCP: new (type: number) => TcpHandle
  readonly TCPConnectWrap: new () => Request
  readonly WriteWrap: new () => Request
  readonly ShutdownWrap: new () => Request
  readonly SOCKET: number
  readonly SERVER: number
  readonly REUSEPORT: number
  readonly state: Int32Array
  readonly readBytes: number
  readonly wasAsync: number
}

/** The bindings, or undefined where this Node does not have them in the known form. */
export function loadBinding(): Binding | undefined {
  const { binding } = process as unknown as { binding?: (name: string) => Record<string, unknown> }
  if (binding === undefined) return undefined
  try {
    const tcp = binding.call(process, 'tcp_wrap')
    const stream = binding.call(process, 'stream_wrap')
    const constants = tcp.constants as Readonly<Record<string, number>>
    const { SOCKET, SERVER, UV_TCP_REUSEPORT } = constants
    const { kReadBytesOrError, kLastWriteWasAsync, streamBaseState } = stream
    const complete =
      typeof SOCKET === 'number' &&
      typeof SERVER === 'number' &&
      typeof kReadBytesOrError === 'number' &&
      typeof kLastWriteWasAsync === 'number' &&
      streamBaseState instanceof Int32Array &&
      [tcp.TCP, tcp.TCPConnectWrap, stream.WriteWrap, stream.ShutdownWrap].every(
        (one) => typeof one === 'function',
      )
    if (!complete) return undefined
    return {
      TCP: tcp.TCP as Binding['TCP'],
      TCPConnectWrap: tcp.TCPConnectWrap as Binding['TCPConnectWrap'],
      WriteWrap: stream.WriteWrap as Binding['WriteWrap'],
      ShutdownWrap: stream.ShutdownWrap as Binding['ShutdownWrap'],
      SOCKET,
      SERVER,
      REUSEPORT: UV_TCP_REUSEPORT ?? 0,
      state: streamBaseState,
      readBytes: kReadBytesOrError,
      wasAsync: kLastWriteWasAsync,
    }
  } catch {
    return undefined
  }
}
