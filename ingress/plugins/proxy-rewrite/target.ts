import type { RequestContext } from '../../dataplane/context.ts'
import { encodePath } from '../../route/index.ts'
import type { Captures, Substitution } from '../substitution.ts'

export interface TargetConf {
  readonly uri?: string
  readonly use_real_request_uri_unsafe: boolean
  readonly rules: readonly Substitution[]
}

const VARIABLE = /\$(?:\{[^}]*\}|[A-Za-z_]\w*)/g

/** The template with its variables; a question mark in one of those is part of the path, not where the query begins. */
function expandPath(template: string, context: RequestContext): string {
  return template.replace(VARIABLE, (one) => context.expand(one).replaceAll('?', '%3F'))
}

/** Nothing ends a request line early. */
function withoutControls(text: string): string {
  return text.replace(/[^!-~]/gu, (char) => encodeURIComponent(char))
}

function withQuery(target: string, query: string): string {
  return query === '' ? target : `${target}${target.includes('?') ? '&' : '?'}${query}`
}

/**
 * The request target for the server, and what `regex_uri` captured. undefined leaves the target as it is: the bytes the client
 * sent.
 */
export function targetOf(
  conf: TargetConf,
  context: RequestContext,
): { readonly target: string | undefined; readonly captures: Captures } {
  const { exchange, path, query } = context
  const unsafe = conf.use_real_request_uri_unsafe
  const from = unsafe ? exchange.request.target : path
  if (conf.uri !== undefined) {
    const [, sent = ''] = /\?(.*)$/s.exec(from) ?? []
    const expanded = expandPath(conf.uri, context)
    const target = unsafe
      ? withoutControls(withQuery(expanded, sent))
      : withQuery(encoded(expanded, { mayHaveQuery: true }), query)
    return { target, captures: [] }
  }
  for (const rule of conf.rules) {
    const found = rule.apply(from)
    if (found === undefined) continue
    const { text, captures } = found
    // A question mark of the client's path stays one; with none of its own, the template's begins a query.
    const mayHaveQuery = !from.includes('?')
    const target = unsafe ? withoutControls(text) : withQuery(encoded(text, { mayHaveQuery }), query)
    return { target, captures }
  }
  return { target: unsafe ? from : undefined, captures: [] }
}

function encoded(text: string, { mayHaveQuery }: { readonly mayHaveQuery: boolean }): string {
  const mark = mayHaveQuery ? text.indexOf('?') : -1
  const path = encodePath(mark === -1 ? text : text.slice(0, mark))
  const rooted = path.startsWith('/') ? path : `/${path}`
  return mark === -1 ? rooted : `${rooted}${withoutControls(text.slice(mark)).replaceAll('#', '%23')}`
}
