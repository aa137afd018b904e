import { checkPatterns } from '../patterns.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly block_rules: readonly string[]
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly case_insensitive: boolean
}

/** Refuses requests whose canonical path and query match a pattern. */
export const uriBlocker: Plugin = {
  name: 'uri-blocker',
  priority: 2900,
  schema: {
    type: 'object',
    properties: {
      block_rules: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 4096 },
        minItems: 1,
        uniqueItems: true,
      },
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string', minLength: 1 },
      case_insensitive: { type: 'boolean', default: false },
    },
    required: ['block_rules'],
  },
  check: (conf) => checkPatterns(conf.block_rules),
  compile(conf) {
    const own = conf as unknown as Conf
    const rules = own.block_rules.map((one) => new RegExp(one, own.case_insensitive ? 'i' : ''))
    const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
    return {
      rewrite(context) {
        // Decided on the canonical path: a raw one can be written so that no pattern matches (CVE-2021-43557).
        const uri = String(context.variables('request_uri') ?? '')
        return rules.some((one) => one.test(uri)) ? { status: own.rejected_code, body } : undefined
      },
    }
  },
}
