import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isNotFound, type RouteSocket } from '#netlink'
import { exactly, isOurs, TABLE_MAIN } from './path-tables.ts'
import { contains } from './prefix.ts'
import { DEVICE_ALIAS } from './vxlan-device.ts'

/** What one family has left on the machine. */
export interface FamilyFootprint {
  readonly network: string
  /** Name of the external interface. */
  readonly external: string
  /** Name of the tunnel device. */
  readonly device?: string | undefined
  readonly blackhole: boolean
}

/**
 * What the overlay has made, kept in a file beside subnet.env: after a change of configuration it tells what is ours
 * and no longer wanted.
 */
export type Footprint = Partial<Readonly<Record<4 | 6, FamilyFootprint>>>

/** The file that belongs to a subnet file. */
export function footprintFile(subnetFile: string): string {
  return `${subnetFile}.plexus`
}

/** Reads the file; what cannot be read counts as nothing. */
export function loadFootprint(file: string): Footprint {
  try {
    const raw: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof raw !== 'object' || raw === null) return {}
    const entries = Object.entries(raw).filter(([key, value]) => /^[46]$/.test(key) && isFamily(value))
    return Object.fromEntries(entries) as Footprint
  } catch {
    return {}
  }
}

function isFamily(value: unknown): value is FamilyFootprint {
  if (typeof value !== 'object' || value === null) return false
  const { network, external, device, blackhole } = value as Partial<Record<keyof FamilyFootprint, unknown>>
  return (
    typeof network === 'string' &&
    typeof external === 'string' &&
    (device === undefined || typeof device === 'string') &&
    typeof blackhole === 'boolean'
  )
}

/** Writes the file by rename. */
export function saveFootprint(file: string, footprint: Footprint): void {
  mkdirSync(dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}.tmp`
  writeFileSync(temporary, `${JSON.stringify(footprint)}\n`, { mode: 0o644 })
  renameSync(temporary, file)
}

/**
 * Removes what `before` says was made and `now` does not want: routes of another interface or network, blackhole
 * routes, and VXLAN devices that carry our alias. Returns what was done.
 */
export function removeLeftovers(socket: RouteSocket, before: Footprint, now: Footprint): string[] {
  const changes: string[] = []
  const wanted = new Set([now[4]?.device, now[6]?.device])
  for (const link of socket.links()) {
    const ours = link.alias === DEVICE_ALIAS && link.kind === 'vxlan'
    if (!ours || wanted.has(link.name)) continue
    unlessGone(() => socket.deleteLink(link.index))
    changes.push(`delete ${link.name} (not wanted any more)`)
  }
  for (const family of [4, 6] as const) {
    const old = before[family]
    if (old !== undefined) changes.push(...removeRoutes(socket, { family, old, now: now[family] }))
  }
  return changes
}

function removeRoutes(
  socket: RouteSocket,
  { family, old, now }: { family: 4 | 6; old: FamilyFootprint; now: FamilyFootprint | undefined },
): string[] {
  const changes: string[] = []
  const external = socket.link(old.external)?.index
  const moved = old.external !== now?.external || old.network !== now.network
  for (const route of socket.routes({ family, table: TABLE_MAIN })) {
    const blackhole = route.type === 'blackhole' && route.destination === old.network && old.blackhole
    const stale = blackhole
      ? now?.blackhole !== true || now.network !== old.network
      : moved &&
        external !== undefined &&
        isOurs(route, { network: old.network, external }) &&
        // What is on the present interface and in the present network was looked at already.
        (old.external !== now?.external || !contains(now.network, route.destination))
    if (!stale) continue
    unlessGone(() => socket.deleteRoute({ ...exactly(route), type: route.type }))
    changes.push(`remove route ${route.destination} (not wanted any more)`)
  }
  return changes
}

function unlessGone(body: () => void): void {
  try {
    body()
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
