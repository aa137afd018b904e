import type { Logger } from 'pino'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import { type Answer, keepListening, type Listener, listen, splitAddress } from './listen.ts'

export interface ServersOptions {
  readonly config: KubeProxyConfiguration
  readonly health: Readonly<Record<string, Answer>>
  readonly metrics: Readonly<Record<string, Answer>>
  readonly log: Logger
}

/**
 * Opens the listeners of healthzBindAddress and metricsBindAddress. With bindAddressHardFail an address that cannot be had
 * is an error, otherwise it is logged and tried again.
 */
export async function openServers({ config, health, metrics, log }: ServersOptions): Promise<Listener> {
  const listeners: Listener[] = []
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
  }
  const wanted = [
    { address: config.healthzBindAddress, routes: health, what: 'healthzBindAddress' },
    { address: config.metricsBindAddress, routes: metrics, what: 'metricsBindAddress' },
  ]
  for (const { address, routes, what } of wanted) {
    if (address === '') continue
    const options = { ...splitAddress(address), routes, log, what }
    try {
      listeners.push(config.bindAddressHardFail ? await listen(options) : keepListening(options))
    } catch (error) {
      await close()
      throw error
    }
  }
  return { close }
}
