import test from 'ava'
import { KubeconfigError } from '#watch'
import { environmentProxy } from '../../../watch/kubernetes/configuration/environment-proxy.ts'

const proxied = (server: string, noProxy?: string): boolean =>
  environmentProxy(new URL(server), { HTTPS_PROXY: 'http://proxy.test:3128', NO_PROXY: noProxy }) !==
  undefined

// [server, NO_PROXY, by the proxy]: what golang.org/x/net/http/httpproxy does.
const cases: readonly (readonly [string, string | undefined, boolean])[] = [
  ['https://api.test:6443', undefined, true],
  ['https://api.test:6443', 'other.test, api.test', false],
  ['https://api.test:6443', 'test', false],
  ['https://api.test:6443', 'pi.test', true],
  ['https://api.test:6443', '.api.test', true],
  ['https://a.api.test', '.api.test', false],
  ['https://a.api.test', '*.api.test', false],
  ['https://api.test', '*.api.test', true],
  ['https://api.test:6443', 'api.test:443', true],
  ['https://api.test', 'api.test:443', false],
  ['https://API.test', 'api.TEST', false],
  ['https://api.test', '*', false],
  ['https://10.0.0.7:6443', '10.0.0.0/8', false],
  ['https://10.0.0.7:6443', '10.0.0.7', false],
  ['https://10.0.0.7:6443', '10.0.0.7:6443', false],
  ['https://10.0.0.7:6443', '10.0.0.8,172.16.0.0/12', true],
  ['https://10.0.0.7:6443', '10.0.0.0/99', true],
  ['https://[fd00::7]:6443', 'fd00::/8', false],
  ['https://[fd00::7]:6443', '[fd00::7]:6443', false],
  ['https://[fd00::7]:6443', 'fd00::7', false],
  ['https://[fd00::7]:6443', 'fd01::/16', true],
  ['https://localhost:6443', undefined, false],
  ['https://127.0.0.9', undefined, false],
  ['https://[::1]', undefined, false],
  ['http://api.test', undefined, false],
]

for (const [server, noProxy, expected] of cases) {
  test(`${server} with NO_PROXY=${noProxy ?? ''}: ${expected ? 'by the proxy' : 'straight'}`, (t) => {
    t.is(proxied(server, noProxy), expected)
  })
}

test('small letters, and a proxy without a scheme', (t) => {
  const server = new URL('https://api.test')
  t.is(environmentProxy(server, { https_proxy: 'proxy.test:3128' })?.href, 'http://proxy.test:3128/')
  t.is(environmentProxy(server, { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:1' })?.host, 'a:1')
  t.is(environmentProxy(server, {}), undefined)
})

test('a proxy of a kind that we cannot use is an error that names it', (t) => {
  const error = t.throws(
    () => environmentProxy(new URL('https://api.test'), { HTTPS_PROXY: 'socks5://p:1' }),
    {
      instanceOf: KubeconfigError,
    },
  )
  t.is(error?.message, 'HTTPS_PROXY=socks5://p:1 cannot be used; expected http://host:port')
})
