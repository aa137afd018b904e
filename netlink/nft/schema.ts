/** Attribute names of nf_tables for errors. */

import type { Schema } from '../codec/schema.ts'

const DATA: Schema = {
  names: { 1: 'NFTA_DATA_VALUE', 2: 'NFTA_DATA_VERDICT' },
  nested: { 2: { names: { 1: 'NFTA_VERDICT_CODE', 2: 'NFTA_VERDICT_CHAIN' } } },
}

const ELEMENT: Schema = {
  names: {
    1: 'NFTA_SET_ELEM_KEY',
    2: 'NFTA_SET_ELEM_DATA',
    3: 'NFTA_SET_ELEM_FLAGS',
    4: 'NFTA_SET_ELEM_TIMEOUT',
    6: 'NFTA_SET_ELEM_USERDATA',
    10: 'NFTA_SET_ELEM_KEY_END',
  },
  nested: { 1: DATA, 2: DATA, 10: DATA },
}

/** By object kind, as in `MESSAGES`. */
export const NFT_SCHEMAS: Readonly<Record<'table' | 'chain' | 'rule' | 'set' | 'elements', Schema>> = {
  table: { names: { 1: 'NFTA_TABLE_NAME', 2: 'NFTA_TABLE_FLAGS', 6: 'NFTA_TABLE_USERDATA' } },
  chain: {
    names: {
      1: 'NFTA_CHAIN_TABLE',
      3: 'NFTA_CHAIN_NAME',
      4: 'NFTA_CHAIN_HOOK',
      5: 'NFTA_CHAIN_POLICY',
      7: 'NFTA_CHAIN_TYPE',
      12: 'NFTA_CHAIN_USERDATA',
    },
    nested: { 4: { names: { 1: 'NFTA_HOOK_HOOKNUM', 2: 'NFTA_HOOK_PRIORITY', 3: 'NFTA_HOOK_DEV' } } },
  },
  rule: {
    names: {
      1: 'NFTA_RULE_TABLE',
      2: 'NFTA_RULE_CHAIN',
      3: 'NFTA_RULE_HANDLE',
      4: 'NFTA_RULE_EXPRESSIONS',
      7: 'NFTA_RULE_USERDATA',
    },
    nested: {
      4: { names: {}, any: { names: { 1: 'NFTA_EXPR_NAME', 2: 'NFTA_EXPR_DATA' } } },
    },
  },
  set: {
    names: {
      1: 'NFTA_SET_TABLE',
      2: 'NFTA_SET_NAME',
      3: 'NFTA_SET_FLAGS',
      4: 'NFTA_SET_KEY_TYPE',
      5: 'NFTA_SET_KEY_LEN',
      6: 'NFTA_SET_DATA_TYPE',
      7: 'NFTA_SET_DATA_LEN',
      9: 'NFTA_SET_DESC',
      11: 'NFTA_SET_TIMEOUT',
      13: 'NFTA_SET_USERDATA',
    },
  },
  elements: {
    names: {
      1: 'NFTA_SET_ELEM_LIST_TABLE',
      2: 'NFTA_SET_ELEM_LIST_SET',
      3: 'NFTA_SET_ELEM_LIST_ELEMENTS',
    },
    nested: { 3: { names: { 1: 'NFTA_LIST_ELEM' }, any: ELEMENT } },
  },
}
