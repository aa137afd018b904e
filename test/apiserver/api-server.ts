import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Answer, type AnyRequest, type AnyResponse } from './answer.ts'
import { ApiState } from './api-state.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { type Fault, Faults, type RequestFacts } from './faults.ts'
import { NetworkRelay } from './network-relay.ts'
import type { RawObject } from './selectors.ts'
import { parsePath, servedKind, servedResources } from './served-resources.ts'
import { OpenWatch, selectorOf } from './watch-handler.ts'
import { handleWrite } from './write-handler.ts'

export interface ApiServerOptions {
  /** https with HTTP/2 and HTTP/1.1 by default; `http1` offers only the latter, `plain` is http */
  readonly mode?: 'h2' | 'http1' | 'plain'
  /** ignored: by servers older than 1.27; forbidden: 422, switched off; broken: an ERROR event, with an old etcd */
  readonly streaming?: 'yes' | 'ignored' | 'forbidden' | 'broken'
  /** the token requests have to carry */
  readonly token?: string
  /** says which requests are allowed, as RBAC would */
  readonly authorize?: (facts: RequestFacts) => boolean
}

/** An API server for tests on the loopback interface: real HTTP, list, watch and writes, and faults on command. */
export class ApiServer {
  readonly state = new ApiState()
  readonly faults = new Faults()
  readonly certificates: Certificates | undefined
  readonly requests: RequestFacts[] = []
  readonly watches = new Set<OpenWatch>()
  token: string | undefined
  /** plurals that are not served (custom resources before they are installed) */
  readonly hidden = new Set<string>()
  readonly #options: ApiServerOptions
  readonly #server: Server | Http2SecureServer
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sockets = new Set<Socket>()
  #relay: NetworkRelay | undefined

  private constructor(options: ApiServerOptions) {
    this.#options = options
    this.token = options.token
    const serve = (request: AnyRequest, response: AnyResponse): void => {
      this.#serve(request, response).catch(() => response.end())
    }
    if (options.mode === 'plain') this.#server = createServer(serve)
    else {
      this.certificates = makeCertificates()
      const { cert, key } = this.certificates
      const protocols = options.mode === 'http1' ? ['http/1.1'] : ['h2', 'http/1.1']
      const secure = createSecureServer({ cert, key, allowHTTP1: true, ALPNProtocols: protocols }, serve)
      secure.on('session', (session) => {
        this.#sessions.add(session)
        session.on('error', () => {})
        session.on('close', () => this.#sessions.delete(session))
      })
      secure.on('sessionError', () => {})
      this.#server = secure
    }
    this.#server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true)
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const server = new ApiServer(options)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    server.#relay = await NetworkRelay.to((server.#server.address() as AddressInfo).port)
    return server
  }

  /** The network in front of the server. */
  get network(): NetworkRelay {
    if (this.#relay === undefined) throw new Error('the server is not started')
    return this.#relay
  }

  get url(): string {
    return `${this.#options.mode === 'plain' ? 'http' : 'https'}://127.0.0.1:${this.network.port}`
  }

  /** Writes a kubeconfig for this server; `user` as it stands in the file. */
  writeKubeconfig(
    file: string,
    user: object = this.token === undefined ? {} : { token: this.token },
  ): string {
    const ca = this.certificates?.ca
    const cluster = {
      server: this.url,
      ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'plexus-system' } }],
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  /** Writes objects as a user would. */
  put(...objects: readonly { readonly kind: string; readonly metadata?: object }[]): RawObject[] {
    return objects.map((object) => this.state.put(servedKind(object.kind), object))
  }

  delete(kind: string, key: string): void {
    this.state.delete(servedKind(kind), key)
  }

  get(kind: string, key: string): RawObject | undefined {
    return this.state.collection(servedKind(kind)).objects.get(key)
  }

  fail(fault: Fault): void {
    this.faults.add(fault)
  }

  /** GOAWAY on every connection: finish what runs, come back on a new one. */
  goAway(): void {
    for (const session of this.#sessions) session.goaway(0)
  }

  requestsOf(verb: RequestFacts['verb'], plural: string): RequestFacts[] {
    return this.requests.filter((facts) => facts.verb === verb && facts.plural === plural)
  }

  async stop(): Promise<void> {
    await this.#relay?.close()
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    // Not waited for: an HTTP/2 server whose connections are destroyed does not always say that it is closed.
    this.#server.close()
  }

  async #serve(request: AnyRequest, response: AnyResponse): Promise<void> {
    const facts = factsOf(request)
    this.requests.push(facts)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const act = this.faults.take(facts)
    const parsed = parsePath(facts.path)
    const accept = String(request.headers.accept ?? '')
    const protobuf = accept.includes('protobuf') && parsed?.resource.protobuf === true
    const answer = new Answer(response, { protobuf, act })
    if (act !== undefined && 'stall' in act) return
    if (act !== undefined && 'delayMs' in act) await sleep(act.delayMs)
    if (act !== undefined && 'status' in act) {
      answer.status(act.status, act.reason ?? '', act.message ?? 'ordered by the test', act.retryAfter)
    } else if (this.token !== undefined && facts.authorization !== `Bearer ${this.token}`) {
      answer.status(401, 'Unauthorized', 'Unauthorized')
    } else if (this.#options.authorize?.(facts) === false) {
      answer.status(403, 'Forbidden', `${facts.verb} ${facts.plural} is forbidden`)
    } else if (parsed === undefined || this.hidden.has(parsed.resource.plural)) this.#discovery(facts, answer)
    else if (facts.verb === 'watch') {
      this.#watch(facts, new OpenWatch(facts, parsed.resource, answer, this.state), answer, act)
    } else if (facts.verb === 'list' || facts.verb === 'get') this.#read(facts, parsed, answer)
    else {
      const body = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())
      handleWrite(facts, { ...parsed, state: this.state, answer }, body)
    }
  }

  #watch(facts: RequestFacts, watch: OpenWatch, answer: Answer, act: unknown): void {
    const { query } = facts
    const { streaming = 'yes' } = this.#options
    if (query.has('sendInitialEvents') && streaming === 'forbidden') {
      answer.status(422, 'Invalid', 'sendInitialEvents: Forbidden: the WatchList feature gate is not enabled')
      return
    }
    if (streaming === 'ignored') query.delete('sendInitialEvents')
    if (Number(query.get('resourceVersion') || 0) > this.state.version) {
      answer.status(504, 'Timeout', 'Too large resource version', 1)
      return
    }
    answer.stream()
    if (typeof act === 'object' && act !== null && 'expired' in act) {
      watch.expire()
      return
    }
    if (typeof act === 'object' && act !== null && 'empty' in act) {
      watch.end()
      return
    }
    if (streaming === 'broken' && query.has('sendInitialEvents')) {
      const message = 'the required storage feature RequestWatchProgress is disabled'
      answer.event('ERROR', {
        apiVersion: 'v1',
        kind: 'Status',
        metadata: {},
        message,
        reason: 'InternalError',
        code: 500,
      })
      answer.end()
      return
    }
    this.watches.add(watch)
    answer.onClose(() => this.watches.delete(watch))
    watch.begin(query)
  }

  #read(
    facts: RequestFacts,
    parsed: { resource: (typeof servedResources)[number]; namespace: string; name: string },
    answer: Answer,
  ): void {
    const { resource, namespace, name } = parsed
    const { objects } = this.state.collection(resource)
    if (facts.verb === 'get') {
      const object = objects.get(namespace === '' ? name : `${namespace}/${name}`)
      if (object === undefined) answer.status(404, 'NotFound', `${resource.plural} "${name}" not found`)
      else answer.object(200, object)
      return
    }
    const wanted = facts.query.get('resourceVersion') ?? ''
    if (wanted !== '' && wanted !== '0' && Number(wanted) > this.state.version) {
      answer.status(504, 'Timeout', 'Too large resource version', 1)
      return
    }
    const matches = selectorOf(facts)
    const items = [...objects.values()].filter(
      (object) => matches(object) && (namespace === '' || object.metadata.namespace === namespace),
    )
    const metadata = { resourceVersion: String(this.state.version) }
    answer.list({ apiVersion: resource.apiVersion, kind: `${resource.kind}List`, metadata, items })
  }

  #discovery({ path }: RequestFacts, answer: Answer): void {
    if (path === '/version') {
      answer.object(200, { major: '1', minor: '34', gitVersion: 'v1.34.0-test' })
      return
    }
    const apiVersion = /^\/apis?\/(.+)$/.exec(path)?.[1]
    const resources = servedResources.filter(
      (resource) => resource.apiVersion === apiVersion && !this.hidden.has(resource.plural),
    )
    if (resources.length === 0)
      answer.status(404, 'NotFound', 'the server could not find the requested resource')
    else {
      const list = resources.map(({ plural, kind, namespaced }) => ({ name: plural, kind, namespaced }))
      answer.object(200, { kind: 'APIResourceList', groupVersion: apiVersion, resources: list })
    }
  }
}

const writeVerbs = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as const

function factsOf(request: AnyRequest): RequestFacts {
  const url = new URL(request.url ?? '/', 'http://server')
  const parsed = parsePath(url.pathname)
  const read = /^(1|true)$/.test(url.searchParams.get('watch') ?? '')
    ? 'watch'
    : parsed?.name
      ? 'get'
      : 'list'
  const method = request.method ?? 'GET'
  const write = method in writeVerbs ? writeVerbs[method as keyof typeof writeVerbs] : undefined
  const group = parsed?.resource.apiVersion.includes('/') ? parsed.resource.apiVersion.split('/')[0] : ''
  return {
    verb: parsed === undefined ? 'other' : (write ?? read),
    path: url.pathname,
    group: group ?? '',
    plural: parsed?.resource.plural ?? '',
    subresource: parsed?.subresource ?? '',
    name: parsed?.name ?? '',
    query: url.searchParams,
    protocol: request.httpVersion,
    userAgent: String(request.headers['user-agent'] ?? ''),
    authorization: String(request.headers.authorization ?? ''),
    contentType: String(request.headers['content-type'] ?? ''),
  }
}
