import type { RequestContext } from '../../dataplane/context.ts'
import type { Schema } from '../../objects/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly allow_labels?: Readonly<Record<string, readonly string[]>>
  readonly deny_labels?: Readonly<Record<string, readonly string[]>>
  readonly rejected_code: number
  readonly rejected_msg?: string
}

const LABELS: Schema = {
  type: 'object',
  minProperties: 1,
  additionalProperties: { type: 'array', minItems: 1, items: { type: 'string' } },
}

/** The values of a label: one, several between commas, or a JSON list. */
function valuesOf(label: string): readonly string[] {
  if (!label.startsWith('[')) return label.split(',').map((value) => value.trim())
  try {
    const list: unknown = JSON.parse(label)
    return Array.isArray(list) ? list.map(String) : []
  } catch {
    return []
  }
}

function hasOne(wanted: Readonly<Record<string, readonly string[]>>, context: RequestContext): boolean {
  const labels = context.consumer?.labels ?? {}
  return Object.entries(wanted).some(([name, values]) => {
    const label = labels[name]
    return label !== undefined && valuesOf(label).some((value) => values.includes(value))
  })
}

/** Lets consumers with certain labels pass, or keeps them out. */
export const acl: Plugin = {
  name: 'acl',
  priority: 2410,
  schema: {
    type: 'object',
    properties: {
      allow_labels: LABELS,
      deny_labels: LABELS,
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string' },
    },
    anyOf: [{ required: ['allow_labels'] }, { required: ['deny_labels'] }],
  },
  check(conf) {
    const user = Object.keys(conf).find((name) => name.startsWith('external_user_label_'))
    return user === undefined ? undefined : `${user} has no meaning here: labels are those of consumers`
  },
  compile(conf) {
    const {
      allow_labels: allowed,
      deny_labels: denied,
      rejected_code,
      rejected_msg,
    } = conf as unknown as Conf
    const forbidden: PluginAnswer = {
      status: rejected_code,
      body: { message: rejected_msg ?? 'The consumer is forbidden.' },
    }
    const unknown: PluginAnswer = { status: 401, body: { message: 'Missing authentication.' } }
    return {
      access(context) {
        if (context.consumer === undefined) return unknown
        if (denied !== undefined && hasOne(denied, context)) return forbidden
        return allowed === undefined || hasOne(allowed, context) ? undefined : forbidden
      },
    }
  },
}
