import { RouteMonitor } from '#netlink'

/** A burst of changes (a pod's interface with its addresses) is one look. */
const settleMs = 20
/** Addresses are looked at this often all the same: a tentative IPv6 address can be bound only later. */
const retryMs = 5000

export interface AddressMonitor {
  close(): void
}

/** Calls `onChange` soon after addresses of this network namespace came or went. */
export function watchAddresses(onChange: () => void): AddressMonitor {
  let due: NodeJS.Timeout | undefined
  const soon = (): void => {
    if (due !== undefined) return
    due = setTimeout(() => {
      due = undefined
      onChange()
    }, settleMs)
    due.unref()
  }
  const monitor = new RouteMonitor({
    groups: ['ipv4-address', 'ipv6-address'],
    onEvent: soon,
    onLost: soon,
  })
  const retry = setInterval(onChange, retryMs)
  retry.unref()
  return {
    close: () => {
      clearTimeout(due)
      clearInterval(retry)
      monitor.close()
    },
  }
}
