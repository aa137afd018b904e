import type { Logger } from 'pino'
import { NET_NETWORK } from './net-network.ts'
import type { Network } from './network.ts'
import { loadBinding } from './raw/binding.ts'
import { RawNetwork } from './raw/raw-network.ts'
import { selfTest } from './raw/self-test.ts'

export type TransportChoice = 'auto' | 'net' | 'raw'

/** The raw handles where they are wanted and pass their test, Node's public sockets otherwise. */
export async function chooseNetwork(choice: TransportChoice, log: Logger): Promise<Network> {
  if (choice === 'net') return NET_NETWORK
  const binding = loadBinding()
  const network = binding === undefined ? undefined : new RawNetwork(binding)
  const fault = network === undefined ? 'this Node has no such handles' : await selfTest(network)
  if (network !== undefined && fault === undefined) return network
  log[choice === 'raw' ? 'warn' : 'info'](
    { transport: 'net', reason: fault },
    'raw handles are not usable, public sockets are used',
  )
  return NET_NETWORK
}
