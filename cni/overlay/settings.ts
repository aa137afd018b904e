import { isIP } from 'node:net'
import { annotationNames } from './annotations.ts'
import type { OverlaySettings } from './options.ts'

/** A setting of the overlay that cannot be used; `field` is its key. */
export class OverlaySettingError extends Error {
  readonly code = 'OVERLAY_SETTING'
  readonly field: string

  constructor(field: string, problem: string, options?: { cause?: unknown }) {
    super(`overlay.${field}: ${problem}`, options)
    this.name = 'OverlaySettingError'
    this.field = field
  }
}

/** Checks what no schema can: patterns, addresses and the annotation prefix. Throws OverlaySettingError. */
export function checkOverlaySettings(settings: OverlaySettings): void {
  const { ifaceRegex = [], annotationPrefix } = settings
  for (const pattern of ifaceRegex) asSetting('ifaceRegex', () => new RegExp(pattern))
  if (annotationPrefix !== undefined) asSetting('annotationPrefix', () => annotationNames(annotationPrefix))
  for (const [field, families] of [
    ['publicIp', [4, 6]],
    ['publicIpv6', [6]],
    ['ifaceCanReach', [4, 6]],
  ] as const) {
    const text = settings[field]
    if (text === undefined || families.some((family) => family === isIP(text))) continue
    const kind = families.length === 1 ? 'an IPv6 address' : 'an IP address'
    throw new OverlaySettingError(field, `must be ${kind}, is '${text}'`)
  }
}

function asSetting(field: string, check: () => unknown): void {
  try {
    check()
  } catch (cause) {
    throw new OverlaySettingError(field, cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
