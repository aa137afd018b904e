/** Fields of an HTTP/1.1 connection, for which HTTP/2 has other means: a message that has one is malformed (RFC 9113 §8.2.2). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
