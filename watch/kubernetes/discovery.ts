import type { ApiClient } from './connection/api-client.ts'
import { ApiError } from './errors.ts'
import { groupPath } from './resources.ts'

/**
 * The plurals of the resources served in a group version; undefined if the server does not know it.
 * Throws ApiError, ApiConnectionError: then nothing is known, and nothing may be concluded.
 */
export async function servedResources(
  client: ApiClient,
  apiVersion: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const list = (await client.json({ path: groupPath(apiVersion), signal })) as
      | { resources?: unknown }
      | undefined
    const resources = Array.isArray(list?.resources) ? (list.resources as { name?: unknown }[]) : []
    return new Set(resources.map(({ name }) => String(name)))
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

/** Major and minor of the server, e.g. [1, 34]; undefined if it does not say. */
export async function serverVersion(
  client: ApiClient,
  signal: AbortSignal,
): Promise<{ readonly major: number; readonly minor: number; readonly text: string } | undefined> {
  const version = (await client.json({ path: '/version', signal })) as
    | { major?: unknown; minor?: unknown; gitVersion?: unknown }
    | undefined
  const major = Number.parseInt(String(version?.major), 10)
  const minor = Number.parseInt(String(version?.minor), 10)
  if (Number.isNaN(major) || Number.isNaN(minor)) return undefined
  return { major, minor, text: String(version?.gitVersion ?? `${major}.${minor}`) }
}
