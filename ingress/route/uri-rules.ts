import { type CanonicalUri, decodeBytes } from './uri.ts'

/** How paths are changed before routes see them: `apisix.*` of config.yaml. */
export interface UriRules {
  /** delete_uri_tail_slash: /a/ is /a. */
  readonly deleteTailSlash: boolean
  /** normalize_uri_like_servlet: what follows a ';' in a segment does not count. */
  readonly likeServlet: boolean
  /** match_uri_encoded_slash: %2F is no end of a segment. For matching only; plugins see the slash. */
  readonly matchEncodedSlash: boolean
}

export interface RuledUri extends CanonicalUri {
  /** What routes are compared with. */
  readonly matchPath: string
}

/** Applies the rules; undefined if they leave no path one could trust (`/..;/admin`). */
export function applyUriRules(uri: CanonicalUri, rules: UriRules): RuledUri | undefined {
  let path: string | undefined = uri.path
  if (rules.deleteTailSlash && path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  if (rules.likeServlet) path = withoutPathParameters(path)
  if (path === undefined) return undefined
  const matchPath = rules.matchEncodedSlash ? keepEncodedSlashes(uri.wire, path) : path
  return { ...uri, path, matchPath }
}

function withoutPathParameters(path: string): string | undefined {
  if (!path.includes(';')) return path
  const segments = path.split('/')
  for (const [index, segment] of segments.entries()) {
    const semicolon = segment.indexOf(';')
    if (semicolon === -1) continue
    const kept = segment.slice(0, semicolon)
    // A server that strips them as well would see another path.
    if (kept === '.' || kept === '..' || (kept === '' && index < segments.length - 1)) return undefined
    segments[index] = kept
  }
  return segments.join('/')
}

/** Only where decoding was all that had to be done, so that nothing is led around a route. */
function keepEncodedSlashes(wire: string, path: string): string {
  const mark = wire.indexOf('?')
  const raw = mark === -1 ? wire : wire.slice(0, mark)
  if (!/%2f/i.test(raw) || decodeBytes(raw) !== path) return path
  return raw.split(/%2f/i).map(decodeBytes).join('%2F')
}
