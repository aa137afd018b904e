import { STATUS_CODES } from 'node:http'

// The texts nginx has for these differ from Node's table; tests written against APISIX compare them.
const NGINX_PHRASES: Readonly<Record<number, string>> = {
  302: '302 Found',
  408: '408 Request Time-out',
  413: '413 Request Entity Too Large',
  414: '414 Request-URI Too Large',
  429: '429 Too Many Requests',
  431: '431 Request Header Fields Too Large',
  503: '503 Service Temporarily Unavailable',
  504: '504 Gateway Time-out',
}

/** Reason phrase for a status line. */
export function reasonPhrase(status: number): string {
  const own = NGINX_PHRASES[status]
  return own === undefined ? (STATUS_CODES[status] ?? '') : own.slice(4)
}

/** The stock HTML page for a status the gateway answers by itself, in the form nginx has made familiar. */
export function errorPage(status: number): string {
  const title = `${status} ${reasonPhrase(status)}`.trimEnd()
  return (
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n` +
    `<center><h1>${title}</h1></center>\r\n<hr><center>Plexus</center>\r\n</body>\r\n</html>\r\n`
  )
}
