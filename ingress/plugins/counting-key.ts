import type { RequestContext } from '../dataplane/context.ts'

export interface KeyConf {
  readonly key: string
  readonly key_type: 'var' | 'var_combination' | 'constant'
}

/** The key a limiting plugin counts a request under; the client's address if the request has nothing for it. */
export function countingKey(conf: KeyConf, context: RequestContext): string {
  if (conf.key_type === 'constant') return conf.key
  if (conf.key_type === 'var_combination') return combinedKey(conf.key, context) ?? context.remoteAddr
  const value = context.variables(conf.key)
  return value === undefined || value === '' ? context.remoteAddr : String(value)
}

const VARIABLE = /\$(?:\{\s*(\w+)\s*\}|([A-Za-z_]\w*))/g

/** A template's value; undefined if it has only variables without a default and the request none of them. */
export function combinedKey(template: string, context: RequestContext): string | undefined {
  const names = [...template.matchAll(VARIABLE)].map(([, braced, bare]) => String(braced ?? bare))
  const needed = names.length > 0 && !template.includes('??')
  if (needed && names.every((name) => (context.variables(name) ?? '') === '')) return undefined
  return context.expand(template)
}
