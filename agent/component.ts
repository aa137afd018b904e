// What the agent needs to know of a component. Components declare the same shape themselves (it is structural), so that
// no folder below has to import this one.

/** One running part of the agent: the CNI server, the overlay, the proxy, DNS or the gateway. */
export interface Component {
  readonly name: string
  /** `ok` false makes the agent not ready; `detail` says why, in one sentence. */
  health(): ComponentHealth
  /** Stops gracefully. What the kernel holds stays, so that the node keeps forwarding. */
  stop(): Promise<void>
  /** Takes over a changed configuration while it goes on serving; without it a component is restarted. */
  reload?(): Promise<unknown>
}

export interface ComponentHealth {
  readonly ok: boolean
  readonly detail?: string | undefined
}
