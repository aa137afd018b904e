/** User name and password of an Authorization field (RFC 7617); undefined if it is another scheme or broken. */
export function basicCredentials(header: string): { user: string; password: string } | undefined {
  const encoded = /^basic +([a-z0-9+/=]+)$/i.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
