import type { Load } from './load.ts'

export type Contender =
  | 'plexus'
  | 'nginx'
  | 'haproxy'
  | 'nginx-lua'
  | 'http-proxy'
  | 'http-proxy-3'
  | 'plexus-2'
  | 'nginx-2'

export interface Row {
  readonly name: string
  readonly contenders: readonly Contender[]
  readonly load: Load
  /** What Plexus alone is asked for: a route with plugins. */
  readonly plexusPath?: string
  readonly plexusHeaders?: readonly string[]
}

const servers = ['plexus', 'nginx', 'haproxy'] as const
const everybody = [...servers, 'nginx-lua', 'http-proxy', 'http-proxy-3'] as const
const plain = (connections: number, path = '/api/books/42?page=3'): Load => ({
  tool: 'wrk',
  connections,
  path,
})

export const rows: readonly Row[] = [
  { name: 'plain, 32 connections', contenders: everybody, load: plain(32) },
  { name: 'plain, 1 connection', contenders: servers, load: plain(1) },
  { name: 'plain, 256 connections', contenders: servers, load: plain(256) },
  { name: 'plain, 1000 connections', contenders: servers, load: plain(1000) },
  { name: 'body 1 KB', contenders: everybody, load: plain(32, '/body/1k') },
  { name: 'body 100 KB', contenders: everybody, load: plain(32, '/body/100k') },
  { name: 'body 1 MB', contenders: everybody, load: plain(32, '/body/1m') },
  {
    name: 'limit-count + prometheus',
    contenders: ['plexus', 'nginx', 'nginx-lua'],
    load: plain(32),
    plexusPath: '/limited/42?page=3',
  },
  {
    name: 'key-auth',
    contenders: ['plexus', 'nginx', 'nginx-lua'],
    load: plain(32),
    plexusPath: '/keyed/42?page=3',
    plexusHeaders: ['apikey: a-key-of-the-bench'],
  },
  {
    name: 'four plugins',
    contenders: ['plexus', 'nginx', 'nginx-lua'],
    load: plain(32),
    plexusPath: '/four/42?page=3',
    plexusHeaders: ['apikey: a-key-of-the-bench'],
  },
  {
    name: '10,000 routes',
    contenders: ['plexus', 'nginx'],
    load: plain(32),
    plexusPath: '/many/9876/42?page=3',
  },
  { name: 'TLS, kept alive', contenders: servers, load: { ...plain(32), tls: true } },
  { name: 'TLS, a handshake each', contenders: servers, load: { ...plain(32), tls: true, close: true } },
  { name: 'HTTP/2, 8 x 8 streams', contenders: servers, load: { ...plain(8), tool: 'h2load' } },
  {
    name: 'gRPC, 8 x 8 streams',
    contenders: ['plexus', 'nginx'],
    load: { ...plain(8, '/books.Books/Get'), tool: 'grpc' },
  },
  { name: 'a connection each', contenders: servers, load: { ...plain(32), close: true } },
  {
    name: 'WebSocket echo',
    contenders: [...servers, 'http-proxy', 'http-proxy-3'],
    load: { tool: 'websocket', connections: 32, path: '/ws' },
  },
  { name: 'two cores, shared with the load', contenders: ['plexus-2', 'nginx-2'], load: plain(64) },
]
