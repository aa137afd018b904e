import { CniError, cniCodes } from './errors.ts'
import type { CniCall } from './plugin.ts'

/** For networks that use the overlay: pods may exist that do not reach others, so the code is 51. */
export function refuseWithoutOverlay({ overlayTrouble }: CniCall): void {
  const trouble = overlayTrouble?.()
  if (trouble !== undefined) throw new CniError(cniCodes.limitedConnectivity, `the overlay: ${trouble}`)
}

/** Runs a STATUS: whatever goes wrong means that the next ADD would fail, which is code 50 with the reason. */
export async function reportStatus(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (
      error instanceof CniError &&
      (error.code === cniCodes.notAvailable || error.code === cniCodes.limitedConnectivity)
    ) {
      throw error
    }
    const reason = error instanceof Error ? error.message : String(error)
    throw new CniError(cniCodes.notAvailable, reason, { cause: error })
  }
}
