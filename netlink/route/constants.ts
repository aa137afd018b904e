/** Numbers of rtnetlink (include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, neighbour.h). */

import type { AddressFamily, NeighbourState, OperState, RouteType, Scope } from './types.ts'

export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30

/** Fixed headers after the nlmsghdr: ifinfomsg, ifaddrmsg, rtmsg, ndmsg. */
export const IFINFOMSG = 16
export const IFADDRMSG = 8
export const RTMSG = 12
export const NDMSG = 12

export function familyNumber(family: AddressFamily): number {
  return family === 4 ? AF_INET : AF_INET6
}

export const SCOPES: Readonly<Record<Scope, number>> = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
}

export function scopeName(value: number): Scope {
  if (value === 0) return 'global'
  if (value >= 255) return 'nowhere'
  if (value === 254) return 'host'
  return value === 253 ? 'link' : 'site'
}

/** rtm_type, RTN_UNICAST = 1. */
export const ROUTE_TYPES: readonly RouteType[] = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
]

/** IF_OPER_*, in order. */
export const OPER_STATES: readonly OperState[] = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
]

/** NUD_*: bit values. */
export const NEIGHBOUR_STATES: Readonly<Record<NeighbourState, number>> = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
}

export function neighbourStateName(value: number): NeighbourState {
  // An FDB entry may carry NUD_NOARP|NUD_REACHABLE or the like: the strongest claim names it.
  for (const name of [
    'permanent',
    'noarp',
    'reachable',
    'stale',
    'delay',
    'probe',
    'failed',
    'incomplete',
  ] as const) {
    if ((value & NEIGHBOUR_STATES[name]) !== 0) return name
  }
  return 'none'
}
