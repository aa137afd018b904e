import type { RequestContext } from '../dataplane/context.ts'

export interface KeyConf {
  readonly key: string
  readonly key_type: 'var' | 'var_combination' | 'constant'
}

/** The key a limiting plugin counts a request under; the client's address if it would be empty. */
export function countingKey(conf: KeyConf, context: RequestContext): string {
  if (conf.key_type === 'constant') return conf.key
  const value = conf.key_type === 'var' ? context.variables(conf.key) : context.expand(conf.key)
  return value === undefined || value === '' ? context.remoteAddr : String(value)
}
