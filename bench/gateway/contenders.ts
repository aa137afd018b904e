// How each contender is configured: plain proxying of one route to one backend with upstream keep-alive.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a browser behind a CDN sends: about 900 bytes. */
export const requestHeaders = [
  'Host: shop.example.test',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; basket=17-23-42; consent=all',
  'Referer: http://shop.example.test/catalog?page=2&sort=price',
  'Cache-Control: no-cache',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Site: same-origin',
  'X-Request-Id: 3f2b8c1e-7d54-4b1a-9c0e-2a6f0d8b5e71',
  'Upgrade-Insecure-Requests: 1',
]

const paths = (folder: string, name: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${name}-${kind};`)
    .join(' ')

const frame = (
  folder: string,
  name: string,
  http: string,
  options: { workers?: number; lua?: boolean } = {},
): string => `
${options.lua === true ? 'load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;' : ''}
user root;
worker_processes ${options.workers ?? 1};
error_log ${folder}/${name}.log;
pid ${folder}/${name}.pid;
events { worker_connections 8192; }
http {
  access_log off; ${paths(folder, name)}
  keepalive_requests 1000000000;
  ${http}
}`

/** 60 bytes for any path, files of 1 KB, 100 KB and 1 MB below /body/; a gRPC server on a port of its own. */
export const backendConfiguration = (folder: string, { backend, grpc }: Targets): string =>
  frame(
    folder,
    'backend',
    `server {
    listen 127.0.0.1:${backend} backlog=4096;
    location / { default_type text/plain; return 200 'a book about networks, with sixty bytes in this very answer\n'; }
    location /body/ { alias ${folder}/body/; sendfile on; tcp_nopush on; }
  }
  server {
    listen 127.0.0.1:${grpc} http2 backlog=4096;
    location / {
      default_type application/grpc; add_trailer grpc-status 0; add_trailer grpc-message OK;
      # Reads the request to its end before it answers, as a gRPC server does.
      content_by_lua_block { ngx.req.read_body() ngx.print('a message about books, with forty-six bytes') }
    }
  }`,
    { lua: true },
  )

const fields = `
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;`

export interface Ports {
  readonly plain: number
  readonly tls: number
  /** HTTP/2 without TLS. */
  readonly h2c: number
}

export interface Targets {
  readonly backend: number
  readonly sockets: number
  /** HTTP/2 without TLS. */
  readonly grpc: number
}

const listen = (folder: string, { plain, tls }: Ports, options = ''): string => `
    listen 127.0.0.1:${plain} backlog=4096 ${options};
    listen 127.0.0.1:${tls} ssl http2 backlog=4096 ${options};
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem; ssl_session_tickets off;
    server_name shop.example.test;`

export const nginxProxy = (
  folder: string,
  name: string,
  ports: Ports,
  { backend, sockets, grpc }: Targets,
  workers = 1,
): string =>
  frame(
    folder,
    name,
    `upstream backend { server 127.0.0.1:${backend}; keepalive 320; keepalive_requests 1000000000; }
  upstream calls { server 127.0.0.1:${grpc}; keepalive 320; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${ports.h2c} http2 backlog=4096;
    location / {
      grpc_pass grpc://calls;
      grpc_set_header X-Real-IP $remote_addr;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_set_header X-Forwarded-Host $host;
    }
  }
  server {${listen(folder, ports, workers > 1 ? 'reuseport' : '')}
    location / { proxy_pass http://backend; ${fields} }
    location /ws {
      proxy_pass http://127.0.0.1:${sockets};
      proxy_http_version 1.1;
      proxy_set_header Connection upgrade;
      proxy_set_header Upgrade $http_upgrade;
    }
  }`,
    { workers },
  )

/** nginx with a Lua handler in every phase that does next to nothing, as APISIX's engine has: a floor for APISIX itself. */
export const luaProxy = (folder: string, name: string, ports: Ports, { backend }: Targets): string =>
  frame(
    folder,
    name,
    `lua_package_path "/usr/share/lua/5.1/?.lua;;";
  init_by_lua_block { require "resty.core" }
  upstream backend {
    server 0.0.0.1;
    balancer_by_lua_block { local balancer = require "ngx.balancer"; balancer.set_current_peer("127.0.0.1", ${backend}) }
    keepalive 320; keepalive_requests 1000000000;
  }
  log_format short '$remote_addr $status $request_time';
  server {${listen(folder, ports)}
    location / {
      rewrite_by_lua_block { local ctx = {}; ngx.ctx.api_ctx = ctx; ctx.uri = ngx.var.uri; ctx.host = ngx.var.host }
      access_by_lua_block { local ctx = ngx.ctx.api_ctx; ctx.method = ngx.req.get_method() }
      header_filter_by_lua_block { ngx.header["Server"] = "lua" }
      body_filter_by_lua_block { local ctx = ngx.ctx.api_ctx }
      log_by_lua_block { ngx.ctx.api_ctx = nil }
      proxy_pass http://backend; ${fields}
      access_log ${folder}/lua-access.log short buffer=64k;
    }
  }`,
    { lua: true },
  )

export const haproxyConfiguration = (
  folder: string,
  { plain, tls }: Ports,
  { backend, sockets }: Targets,
): string => `
global
  nbthread 1
  maxconn 8192
  ssl-default-bind-options no-tls-tickets
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  option forwardfor
  http-reuse always
frontend front
  bind 127.0.0.1:${plain} backlog 4096
  bind 127.0.0.1:${tls} ssl crt ${folder}/both.pem alpn h2,http/1.1
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend sockets if { path /ws }
  default_backend books
backend books
  server one 127.0.0.1:${backend}
backend sockets
  server one 127.0.0.1:${sockets}
`

/** http-proxy or http-proxy-3 with a keep-alive agent, as their users run them. */
export const httpProxyProgram = (
  library: 'http-proxy' | 'http-proxy-3',
  port: number,
  { backend, sockets }: Targets,
): string => `
import { createServer, Agent } from 'node:http'
import * as library from '${library}'
const create = library.createProxyServer ?? library.default.createProxyServer
const proxy = create({ target: 'http://127.0.0.1:${backend}', agent: new Agent({ keepAlive: true, maxSockets: 320 }), xfwd: true })
proxy.on('error', (_error, _request, response) => { response.statusCode = 502; response.end() })
const server = createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head, { target: 'http://127.0.0.1:${sockets}' }))
server.listen(${port}, '127.0.0.1')
`

/** Sends every byte back after an upgrade. */
export const socketBackend = (port: number): string => `
import { createServer } from 'node:net'
createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.once('data', () => {
    socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n')
    socket.on('data', (chunk) => socket.write(chunk))
  })
}).listen(${port}, '127.0.0.1')
`

/** Manifests and configuration for the Plexus gateway: an ApisixRoute to a Service with one endpoint. */
export function plexusFiles(
  folder: string,
  ports: Ports & { readonly admin: number; readonly backend: number },
  workers = 1,
): { manifests: string; config: string } {
  const manifests = join(folder, `manifests-${ports.plain}`)
  mkdirSync(manifests)
  const endpoint = { addresses: ['127.0.0.1'], conditions: { ready: true } }
  const metadata = { name: 'books', namespace: 'shop' }
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { clusterIP: '10.96.7.7', ports: [{ name: 'http', port: 80 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'books' } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: ports.backend, protocol: 'TCP' }],
      endpoints: [endpoint],
    },
    {
      apiVersion: 'apisix.apache.org/v2',
      kind: 'ApisixRoute',
      metadata,
      spec: {
        http: [
          {
            name: 'books',
            match: { hosts: ['shop.example.test'], paths: ['/api/*', '/body/*'] },
            backends: [{ serviceName: 'books', servicePort: 80 }],
          },
        ],
      },
    },
  ]
  writeFileSync(
    join(manifests, 'books.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  )
  const config = join(folder, `gateway-${ports.plain}.yaml`)
  writeFileSync(
    config,
    JSON.stringify({
      apisix: {
        node_listen: [{ ip: '127.0.0.1', port: ports.plain }],
        ssl: {
          enable: true,
          listen: [{ ip: '127.0.0.1', port: ports.tls }],
          fallback_sni: 'shop.example.test',
          // Nobody resumes sessions here: a handshake is a whole one.
          ssl_session_tickets: false,
        },
      },
      nginx_config: { worker_processes: workers },
      deployment: {
        admin: {
          admin_listen: { ip: '127.0.0.1', port: ports.admin },
          admin_key: [{ name: 'bench', key: adminKey, role: 'admin' }],
        },
      },
    }),
  )
  return { manifests, config }
}

const adminKey = 'bench-bench-bench-bench-bench-00'

/** Puts an object through the Admin API. */
export async function put(admin: number, path: string, body: object): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${admin}/apisix/admin${path}`, {
    method: 'PUT',
    headers: { 'X-API-KEY': adminKey },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}
