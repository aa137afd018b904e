const TRIES = 2400
const PAUSE_MS = 25

/** Waits for a condition, a minute at most: whether it holds then. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < TRIES; n++) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  return false
}
