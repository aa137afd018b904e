import { isObject, type JsonObject, type Schema } from '../../objects/index.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'

const TITLES = {
  404: '404 Not Found',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
} as const

function page(title: string): string {
  return `<html>\n<head><title>${title}</title></head>\n<body>\n<center><h1>${title}</h1></center>\n</body>\n</html>`
}

function pageSchema(title: string): Schema {
  return {
    type: 'object',
    properties: {
      body: { type: 'string', default: page(title) },
      content_type: { type: 'string', default: 'text/html' },
    },
  }
}

interface Page {
  readonly body: Buffer
  readonly type: string
}

/** The page of the metadata for a status; undefined if there is none, or an empty one. */
function pageFor(status: number, metadata: JsonObject): Page | undefined {
  const found = metadata.enable === true ? metadata[`error_${status}`] : undefined
  if (!isObject(found) || typeof found.body !== 'string' || found.body === '') return undefined
  return { body: Buffer.from(found.body), type: String(found.content_type ?? 'text/html') }
}

/** Gives the gateway's own error answers a page of the operator's making. */
export const errorPage: Plugin = {
  name: 'error-page',
  priority: 450,
  schema: { type: 'object' },
  metadataSchema: {
    type: 'object',
    properties: {
      enable: { type: 'boolean', default: false },
      ...Object.fromEntries(
        Object.entries(TITLES).map(([code, title]) => [`error_${code}`, pageSchema(title)]),
      ),
    },
  },
  compile(_conf, environment) {
    const pages = new PerRequest<Page>()
    return {
      headerFilter(context, response) {
        if (response.upstream) return
        const found = pageFor(response.status, environment.metadata())
        if (found === undefined) return
        pages.set(context, found)
        response.headers.set('Content-Type', found.type)
      },
      filtersBody: (context) => pages.has(context),
      bodyFilter: (context, _chunk, { last }) => (last ? pages.get(context)?.body : undefined),
    }
  },
}
