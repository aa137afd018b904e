import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject, type Schema } from '../../objects/index.ts'

/** What a metric is told apart by: the labels that APISIX 3.18 gives it, in its order. The models are of its AI plugins. */
export const LABELS = {
  http_status: [
    'code',
    'route',
    'matched_uri',
    'matched_host',
    'service',
    'consumer',
    'node',
    'request_type',
    'request_llm_model',
    'llm_model',
    'response_source',
  ],
  http_latency: [
    'type',
    'route',
    'service',
    'consumer',
    'node',
    'request_type',
    'request_llm_model',
    'llm_model',
  ],
  bandwidth: [
    'type',
    'route',
    'service',
    'consumer',
    'node',
    'request_type',
    'request_llm_model',
    'llm_model',
  ],
} as const

export type MetricName = keyof typeof LABELS

/** Labels without which a metric would add up what does not belong together. */
const STRUCTURAL: ReadonlySet<string> = new Set(['code', 'type'])

/** `disabled_labels` of the metadata: which labels to leave empty, by metric. */
export const METADATA: Schema = {
  type: 'object',
  properties: {
    disabled_labels: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(LABELS).map(([name, labels]) => [
          name,
          {
            type: 'array',
            items: { type: 'string', enum: labels.filter((label) => !STRUCTURAL.has(label)) },
          },
        ]),
      ),
      additionalProperties: false,
    },
  },
}

/** Labels of an operator's own: `plugin_attr.prometheus.metrics.<name>.extra_labels`, a list of {label: $variable}. */
export interface ExtraLabel {
  readonly metrics: readonly MetricName[]
  readonly label: string
  readonly read: (context: RequestContext) => string
}

export function extraLabels(attributes: JsonObject): ExtraLabel[] {
  const found = new Map<string, MetricName[]>()
  const all = isObject(attributes.metrics) ? attributes.metrics : {}
  for (const metric of Object.keys(LABELS) as MetricName[]) {
    const { extra_labels } = isObject(all[metric]) ? all[metric] : {}
    for (const entry of Array.isArray(extra_labels) ? extra_labels.filter(isObject) : [])
      for (const [label, template] of Object.entries(entry)) {
        const key = JSON.stringify([label, String(template)])
        found.set(key, [...(found.get(key) ?? []), metric])
      }
  }
  return [...found].map(([key, metrics]) => {
    const [label, template] = JSON.parse(key) as [string, string]
    return { metrics, label, read: (context) => context.expand(template) }
  })
}
