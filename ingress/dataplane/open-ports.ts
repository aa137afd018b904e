import { isDeepStrictEqual } from 'node:util'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  StreamListenAddress,
  TlsListenAddress,
} from '../config/gateway-config.ts'
import { Listener, type Network } from '../http/index.ts'
import { StreamListener, type UdpListener } from '../stream/index.ts'
import type { DataPlane } from './data-plane.ts'

/** What ports serve with. */
export interface PortUse {
  readonly config: GatewayConfig
  readonly plane: DataPlane
  readonly network: Network
}

/** A port as it was configured, the kind of sockets it has, and who listens on it. */
export interface OpenPort<A, L> {
  readonly address: A
  readonly network: string
  readonly listener: L
}

export interface Closable {
  close(graceMs: number): Promise<void>
}

export type TcpListener = Listener | StreamListener
/** A port that is open, or one that is taken over from a listener of another kind once all others are open. */
export type Planned<A, L> = OpenPort<A, L> | (() => Promise<OpenPort<A, L>>)

/** All ports of a process. */
export interface Opened {
  readonly plain: OpenPort<PlainListenAddress, Listener>[]
  readonly tls: OpenPort<TlsListenAddress, Listener>[]
  readonly tcp: OpenPort<StreamListenAddress, StreamListener>[]
  readonly udp: OpenPort<ListenAddress, UdpListener>[]
}

export const NONE: Opened = { plain: [], tls: [], tcp: [], udp: [] }

/** Whether the port is the one that is wanted: as it was configured, or as it was bound then (port 0 gives a free one). */
export function isKept<A extends ListenAddress>(
  {
    address,
    network,
    listener,
  }: {
    readonly address: A
    readonly network: string
    readonly listener: { readonly address: ListenAddress }
  },
  wanted: A,
  { name }: Network,
): boolean {
  const { port } = listener.address
  if (network !== name) return false
  return isDeepStrictEqual(address, wanted) || isDeepStrictEqual({ ...address, port }, wanted)
}

/** The listeners that stay as they are. */
export function keptOf<A extends ListenAddress, L extends { readonly address: ListenAddress }>(
  open: readonly OpenPort<A, L>[],
  wanted: readonly A[],
  network: Network,
): L[] {
  return open
    .filter((port) => wanted.some((address) => isKept(port, address, network)))
    .map(({ listener }) => listener)
}

/** Whether a port that is bound is the one of an address. */
export function isSamePort(bound: ListenAddress, wanted: ListenAddress): boolean {
  return bound.port === wanted.port && bound.host === wanted.host
}

/** Opens what is to be taken over. */
export async function opened<A, L>(planned: readonly Planned<A, L>[]): Promise<OpenPort<A, L>[]> {
  const ports: OpenPort<A, L>[] = []
  for (const port of planned) ports.push(typeof port === 'function' ? await port() : port)
  return ports
}

/** From now on the listener serves with that data plane. */
export function turn(listener: TcpListener | UdpListener, { plane, config }: PortUse): void {
  if (listener instanceof Listener) listener.turnTo(plane, config.server)
  else if (listener instanceof StreamListener) listener.turnTo(plane.streams, config.stream)
  else listener.turnTo(plane.streams)
}

export function listenersOf({ plain, tls, tcp, udp }: Opened): (TcpListener | UdpListener)[] {
  return [...plain, ...tls, ...tcp, ...udp].map(({ listener }) => listener)
}
