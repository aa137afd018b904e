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

const common = (folder: string, name: string): string => `
worker_processes 1;
error_log ${folder}/${name}.log;
pid ${folder}/${name}.pid;
events { worker_connections 4096; }
`
const paths = (folder: string, name: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${name}-${kind};`)
    .join(' ')

export const nginxConfiguration = {
  backend: (folder: string, port: number): string => `${common(folder, 'backend')}
http {
  access_log off; ${paths(folder, 'backend')}
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 'a book about networks, with sixty bytes in this very answer\\n'; }
  }
}`,
  proxy: (folder: string, port: number, backend: number): string => `${common(folder, 'proxy')}
http {
  access_log off; ${paths(folder, 'proxy')}
  keepalive_requests 1000000000;
  upstream backend { server 127.0.0.1:${backend}; keepalive 320; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    server_name shop.example.test;
    location /api/ {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
    }
  }
}`,
}

/** http-proxy with a keep-alive agent, as its users run it. */
export const httpProxyProgram = (port: number, backend: number): string => `
import { createServer, Agent } from 'node:http'
import httpProxy from 'http-proxy'
const proxy = httpProxy.createProxyServer({ target: 'http://127.0.0.1:${backend}', agent: new Agent({ keepAlive: true, maxSockets: 320 }), xfwd: true })
proxy.on('error', (_error, _request, response) => { response.statusCode = 502; response.end() })
createServer((request, response) => proxy.web(request, response)).listen(${port}, '127.0.0.1')
`

/** Manifests and configuration for the Plexus gateway: an ApisixRoute to a Service with one endpoint. */
export function plexusFiles(
  folder: string,
  ports: { plexus: number; admin: number; backend: number },
): { manifests: string; config: string } {
  const manifests = join(folder, 'manifests')
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
            match: { hosts: ['shop.example.test'], paths: ['/api/*'] },
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
  const config = join(folder, 'gateway.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      apisix: { node_listen: [{ ip: '127.0.0.1', port: ports.plexus }] },
      deployment: { admin: { admin_listen: { ip: '127.0.0.1', port: ports.admin } } },
    }),
  )
  return { manifests, config }
}
