/** What may not stand in a JSON string as it is. */
const CONTROL = /\p{Cc}/gu

/**
 * A request body as APISIX takes it: control characters, line breaks above all, may stand within strings, since people paste
 * protos and certificates into a shell's quotes. Throws JSON.parse's SyntaxError.
 */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const escaped = text.replace(/"(?:[^"\\]|\\.)*"/gs, (string) =>
      string.replace(CONTROL, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`),
    )
    if (escaped === text) throw error
    return JSON.parse(escaped)
  }
}
