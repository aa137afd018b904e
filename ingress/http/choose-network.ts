import type { Logger } from 'pino'
import { NET_NETWORK } from './net-network.ts'
import type { Network } from './network.ts'
import { loadBinding } from './raw/binding.ts'
import { RawNetwork } from './raw/raw-network.ts'
import { selfTest, selfTestTls } from './raw/self-test.ts'
import { loadTlsBinding } from './raw/tls-binding.ts'

export type TransportChoice = 'auto' | 'net' | 'raw'

/** The raw handles, and TLS on them, where they are wanted and pass their tests; Node's public sockets otherwise. */
export async function chooseNetwork(choice: TransportChoice, log: Logger): Promise<Network> {
  if (choice === 'net') return NET_NETWORK
  const level = choice === 'raw' ? 'warn' : 'info'
  const binding = loadBinding()
  const network = binding === undefined ? undefined : new RawNetwork(binding)
  const fault = network === undefined ? 'this Node has no such handles' : await selfTest(network)
  if (binding === undefined || network === undefined || fault !== undefined) {
    log[level]({ transport: 'net', reason: fault }, 'raw handles are not usable, public sockets are used')
    return NET_NETWORK
  }
  const tls = loadTlsBinding()
  const secure = tls === undefined ? undefined : new RawNetwork(binding, tls)
  const tlsFault = secure === undefined ? 'this Node has no such handles' : await selfTestTls(secure)
  if (secure !== undefined && tlsFault === undefined) return secure
  log[level]({ transport: 'raw', reason: tlsFault }, 'TLS on raw handles is not usable, TLS sockets are used')
  return network
}
