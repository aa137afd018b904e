/** Attribute names for errors. */

import type { Schema } from '../codec/schema.ts'

const LINK_NAMES = {
  1: 'IFLA_ADDRESS',
  3: 'IFLA_IFNAME',
  4: 'IFLA_MTU',
  5: 'IFLA_LINK',
  10: 'IFLA_MASTER',
  13: 'IFLA_TXQLEN',
  18: 'IFLA_LINKINFO',
  20: 'IFLA_IFALIAS',
  27: 'IFLA_GROUP',
  28: 'IFLA_NET_NS_FD',
}

const INFO_DATA: Schema = {
  // Kinds number their attributes alike; of those sent only VXLAN's are refused one by one.
  names: {
    1: 'IFLA_VXLAN_ID',
    3: 'IFLA_VXLAN_LINK',
    4: 'IFLA_VXLAN_LOCAL',
    7: 'IFLA_VXLAN_LEARNING',
    15: 'IFLA_VXLAN_PORT',
    17: 'IFLA_VXLAN_LOCAL6',
    23: 'IFLA_VXLAN_GBP',
  },
}

export const LINK_SCHEMA: Schema = {
  names: LINK_NAMES,
  nested: {
    18: {
      names: {
        1: 'IFLA_INFO_KIND',
        2: 'IFLA_INFO_DATA',
        4: 'IFLA_INFO_SLAVE_KIND',
        5: 'IFLA_INFO_SLAVE_DATA',
      },
      nested: {
        2: INFO_DATA,
        5: { names: { 4: 'IFLA_BRPORT_MODE', 8: 'IFLA_BRPORT_LEARNING', 33: 'IFLA_BRPORT_ISOLATED' } },
      },
    },
  },
}

export const ADDRESS_SCHEMA: Schema = {
  names: { 1: 'IFA_ADDRESS', 2: 'IFA_LOCAL', 3: 'IFA_LABEL', 4: 'IFA_BROADCAST', 8: 'IFA_FLAGS' },
}

export const ROUTE_SCHEMA: Schema = {
  names: {
    1: 'RTA_DST',
    4: 'RTA_OIF',
    5: 'RTA_GATEWAY',
    6: 'RTA_PRIORITY',
    7: 'RTA_PREFSRC',
    8: 'RTA_METRICS',
    15: 'RTA_TABLE',
  },
  nested: { 8: { names: { 2: 'RTAX_MTU' } } },
}

export const NEIGHBOUR_SCHEMA: Schema = {
  names: { 1: 'NDA_DST', 2: 'NDA_LLADDR', 5: 'NDA_VLAN', 8: 'NDA_IFINDEX', 9: 'NDA_MASTER' },
}
