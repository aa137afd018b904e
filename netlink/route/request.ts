import type { Schema } from '../codec/schema.ts'
import type { MessageWriter } from '../codec/writer.ts'
import * as c from './constants.ts'
import { writeIfinfomsg, writeLinkName, writeWithoutStats } from './link-encode.ts'
import { ADDRESS_SCHEMA, LINK_SCHEMA, NEIGHBOUR_SCHEMA, ROUTE_SCHEMA } from './schema.ts'

/** A request minus its flags, made by one of the functions below. */
export interface Draft {
  label: string
  type: number
  header: number
  schema: Schema
  body(writer: MessageWriter): void
}

const VERBS: Readonly<Record<number, string>> = {
  16: 'RTM_NEWLINK',
  17: 'RTM_DELLINK',
  18: 'RTM_GETLINK',
  20: 'RTM_NEWADDR',
  21: 'RTM_DELADDR',
  22: 'RTM_GETADDR',
  24: 'RTM_NEWROUTE',
  25: 'RTM_DELROUTE',
  26: 'RTM_GETROUTE',
  28: 'RTM_NEWNEIGH',
  29: 'RTM_DELNEIGH',
  30: 'RTM_GETNEIGH',
}

function draft(
  kind: { header: number; schema: Schema },
  what: string,
  type: number,
  body: Draft['body'],
): Draft {
  return { label: `${VERBS[type]} ${what}`, type, body, ...kind }
}

export function linkRequest(what: string, type: number, body: Draft['body']): Draft {
  return draft({ header: c.IFINFOMSG, schema: LINK_SCHEMA }, what, type, body)
}

/** Asks for one link, by name or index. */
export function oneLink(nameOrIndex: string | number): Draft {
  return linkRequest(`${nameOrIndex}`, c.RTM_GETLINK, (w) => {
    writeIfinfomsg(w, typeof nameOrIndex === 'number' ? { index: nameOrIndex } : {})
    if (typeof nameOrIndex === 'string') writeLinkName(w, nameOrIndex)
    writeWithoutStats(w)
  })
}

export function addressRequest(what: string, type: number, body: Draft['body']): Draft {
  return draft({ header: c.IFADDRMSG, schema: ADDRESS_SCHEMA }, what, type, body)
}

export function routeRequest(what: string, type: number, body: Draft['body']): Draft {
  return draft({ header: c.RTMSG, schema: ROUTE_SCHEMA }, what, type, body)
}

export function neighbourRequest(what: string, type: number, body: Draft['body']): Draft {
  return draft({ header: c.NDMSG, schema: NEIGHBOUR_SCHEMA }, what, type, body)
}
