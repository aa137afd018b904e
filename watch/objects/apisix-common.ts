import { durationIn } from './duration.ts'
import type { Field } from './field.ts'
import type { JsonObject } from './meta.ts'

export const apisixVersion = 'apisix.apache.org/v2'

/** A plugin on a route, consumer, plugin config or global rule. */
export interface ApisixPlugin {
  readonly name: string
  readonly enable: boolean
  readonly config: JsonObject
  /** a Secret of the same namespace whose keys are dotted paths laid over config; '' if none */
  readonly secretRef: string
}

/** Seconds, as the Admin API has them (the CRD writes Go durations such as `60s`). */
export interface ApisixTimeout {
  readonly connect?: number | undefined
  readonly send?: number | undefined
  readonly read?: number | undefined
}

export function pluginsIn(field: Field): ApisixPlugin[] {
  return field.list((item) => ({
    name: item.requiredObject().at('name').requiredString(),
    enable: item.at('enable').boolean(true),
    config: item.at('config').jsonObject(),
    secretRef: item.at('secretRef').string(),
  }))
}

export function timeoutIn(field: Field): ApisixTimeout | undefined {
  if (field.missing) return undefined
  return {
    connect: durationIn(field.object().at('connect')),
    send: durationIn(field.at('send')),
    read: durationIn(field.at('read')),
  }
}

/** A weight of a backend or node: 100 unless given, 0 means no traffic. */
export function weightIn(field: Field): number {
  return field.integer(100, { min: 0, max: 2 ** 31 - 1 })
}
