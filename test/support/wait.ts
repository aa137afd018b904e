export interface WaitOptions {
  /** What is waited for; goes into the error. */
  what?: string | undefined
  timeoutMs?: number | undefined
  intervalMs?: number | undefined
}

/**
 * Calls `probe` until it returns something other than false, null or undefined, and returns that.
 * Throws when `timeoutMs` (default 30000: the machine may be busy) has passed, with the last error of the probe as its cause.
 */
export async function waitUntil<T>(
  probe: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { what = 'the condition', timeoutMs = 30_000, intervalMs = 20 } = options
  const end = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      last = undefined
      if (value !== false && value !== null && value !== undefined) {
        return value as Exclude<T, false | null | undefined>
      }
    } catch (error) {
      last = error
    }
    if (performance.now() > end) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: last })
    }
    await sleep(intervalMs)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
