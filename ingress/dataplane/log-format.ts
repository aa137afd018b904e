import type { RequestContext } from './context.ts'

export type LogEscape = 'default' | 'json' | 'none'

const UNSAFE = /["\\\x00-\x1f\x7f-\uffff]/g

/** nginx's escaping of values in a log line (ngx_http_log_module, log_format): `\xXX`, or as in a JSON string. */
function escapeValue(value: string, style: LogEscape): string {
  if (style === 'none') return value
  if (style === 'json') return JSON.stringify(value).slice(1, -1)
  return value.replace(UNSAFE, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}

/** A log_format compiled once: text between variables, and the variables. */
export function compileLogFormat(format: string, style: LogEscape): (context: RequestContext) => string {
  const parts: (string | { readonly name: string })[] = []
  let end = 0
  for (const match of format.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    parts.push(format.slice(end, match.index), { name: match[1] ?? match[2] ?? '' })
    end = match.index + match[0].length
  }
  parts.push(format.slice(end))
  const missing = style === 'default' ? '-' : ''
  return (context) => {
    let line = ''
    for (const part of parts) {
      if (typeof part === 'string') line += part
      else {
        const value = context.variables(part.name)
        line += value === undefined || value === '' ? missing : escapeValue(String(value), style)
      }
    }
    return line
  }
}
