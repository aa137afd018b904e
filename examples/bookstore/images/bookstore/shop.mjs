// The programs of the bookshop: `node shop.mjs web|catalog|orders|reviews|bank`.
// Each answers JSON that names the pod and node it runs on, and finds the others by their Service names.
// No dependencies, no configuration: a pod's resolv.conf and the cluster network do the rest.
import http from 'node:http'
import process from 'node:process'

const [role = 'web'] = process.argv.slice(2)
const self = {
  service: role,
  pod: process.env.POD_NAME ?? role,
  node: process.env.NODE_NAME ?? 'outside',
}
const PORT = Number(process.env.PORT ?? 8080)
/** After SIGTERM go on serving this long, so that whoever still has our address in a table gets an answer. */
const DRAIN_MS = 800

const BOOKS = {
  walden: { title: 'Walden', author: 'H. D. Thoreau', price: 12 },
  emma: { title: 'Emma', author: 'J. Austen', price: 9 },
  dubliners: { title: 'Dubliners', author: 'J. Joyce', price: 11 },
}
const REVIEWS = {
  walden: [{ stars: 5, text: 'Simplify, simplify.' }],
  emma: [{ stars: 4, text: 'Badly done, Emma! Well done, Jane.' }],
  dubliners: [{ stars: 5, text: 'Snow was general all over Ireland.' }],
}

/** One request on a connection of its own, so that calls spread over the endpoints of a Service. */
function call(url, { method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent: false, timeout: 3000 }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode < 300) resolve(JSON.parse(text))
        else reject(new Error(`${url} answered ${response.statusCode}`))
      })
    })
    request.on('timeout', () => request.destroy(new Error(`${url} did not answer within 3 s`)))
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function readJson(request) {
  return new Promise((resolve, reject) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('error', reject)
    request.on('end', () => {
      try {
        resolve(chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString()))
      } catch (cause) {
        reject(Object.assign(new Error('the body is not JSON', { cause }), { status: 400 }))
      }
    })
  })
}

const missing = (id) => Object.assign(new Error(`no book "${id}"`), { status: 404 })

const roles = {
  async reviews(_request, path) {
    const id = path[0] ?? ''
    if (id !== '' && !REVIEWS[id]) throw missing(id)
    return { ...self, reviews: id === '' ? REVIEWS : REVIEWS[id] }
  },

  async catalog(_request, path) {
    const id = path[0] ?? ''
    if (id === '') return { ...self, books: BOOKS }
    if (id === 'sale') return { ...self, sale: BOOKS.emma }
    if (!BOOKS[id]) throw missing(id)
    const { reviews, pod } = await call(`http://reviews:8080/${id}`)
    return { ...self, book: BOOKS[id], reviews, reviewsFrom: pod }
  },

  async orders(request) {
    if (request.method !== 'POST') return { ...self, orders: 'POST {"book": "emma"} to order' }
    const { book = 'emma' } = await readJson(request)
    const { book: ordered, pod } = await call(`http://catalog/${book}`)
    const receipt = await call('http://payments:8090/charge', {
      method: 'POST',
      body: { amount: ordered.price },
    })
    return {
      ...self,
      ordered: ordered.title,
      price: ordered.price,
      catalogFrom: pod,
      paidBy: receipt.service,
    }
  },

  async web() {
    const { books, pod, node } = await call('http://catalog.shop.svc.cluster.local/')
    return {
      ...self,
      shop: 'The Plexus Bookshop',
      books: Object.values(books).map((b) => b.title),
      catalogFrom: { pod, node },
    }
  },

  async bank(request) {
    const { amount = 0 } = request.method === 'POST' ? await readJson(request) : {}
    return { ...self, charged: amount }
  },
}

const page = (body) => `<!doctype html><title>${body.shop}</title><h1>${body.shop}</h1>
<ul>${body.books.map((title) => `<li>${title}</li>`).join('')}</ul>
<p>page by ${body.pod} on ${body.node}, books by ${body.catalogFrom.pod} on ${body.catalogFrom.node}</p>\n`

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://shop')
  if (pathname === '/healthz') return response.end('ok\n')
  // The gateway passes the path as it came: /api/catalog/emma is /emma for us.
  const path = pathname
    .replace(new RegExp(`^/api/${role}(?=/|$)`), '')
    .split('/')
    .filter(Boolean)
  try {
    const body = await roles[role](request, path)
    if (role === 'web' && (request.headers.accept ?? '').includes('text/html')) {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      return response.end(page(body))
    }
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify(body)}\n`)
  } catch (error) {
    response.statusCode = error.status ?? 502
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify({ ...self, error: error.message })}\n`)
  }
})

if (!Object.hasOwn(roles, role)) {
  console.error(`shop.mjs: unknown role "${role}"; one of ${Object.keys(roles).join(', ')}`)
  process.exit(2)
}
server.listen(PORT, () => console.log(`${role} listens on ${PORT}`))
process.on('SIGTERM', () => setTimeout(() => process.exit(0), DRAIN_MS))
