/** Corefiles that people have, as they are: on port 53 and their own HTTP ports, in a namespace. */
import test from 'ava'
import { testNamespace, waitUntil } from '../support/index.ts'

const script = new URL('./support/serve-corefile.ts', import.meta.url).pathname

for (const file of ['kubeadm', 'seed-notes', 'seed-chapter', 'stub-domain']) {
  test.serial(`runs verbatim: ${file}`, async (t) => {
    const namespace = testNamespace(t, 'corefile')
    namespace.run('ip', 'addr', 'add', '10.9.0.1/32', 'dev', 'lo')
    const server = namespace.start([
      process.execPath,
      script,
      new URL(`./corefiles/${file}`, import.meta.url).pathname,
    ])
    let errors = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      server.stdout?.once('data', () => resolve())
      server.once('exit', () => reject(new Error(`the server ended: ${errors}`)))
    })
    const dig = (...args: string[]): string =>
      namespace.run('dig', '+short', '+tries=2', '+time=5', ...args).trim()
    for (const at of ['@127.0.0.1', '@10.9.0.1']) {
      t.is(dig(at, 'catalog.shop.svc.cluster.local'), '10.96.0.20')
      t.is(dig(at, '-x', '10.96.0.20', '+tcp'), 'catalog.shop.svc.cluster.local.')
      t.is(
        dig(at, '_http._tcp.catalog.shop.svc.cluster.local', 'SRV'),
        '0 100 80 catalog.shop.svc.cluster.local.',
      )
    }
    const curl = (url: string): string => namespace.run('curl', '-s', '-m', '5', url)
    t.is(curl('http://127.0.0.1:8080/health'), 'OK')
    t.regex(
      curl('http://10.9.0.1:9153/metrics'),
      /coredns_dns_requests_total\{server="dns:\/\/:53",zone="\.",view="",proto="udp",family="1",type="A"\} 2/,
    )
    if (file === 'kubeadm' || file === 'seed-chapter') t.is(curl('http://127.0.0.1:8181/ready'), 'OK')
    const begin = performance.now()
    server.kill('SIGTERM')
    const status = await new Promise((resolve) => server.once('exit', resolve))
    t.is(status, 0)
    const lameduck = file === 'kubeadm' || file === 'seed-chapter'
    if (lameduck) t.true(performance.now() - begin > 4900, 'it serves on for 5s')
    await waitUntil(() => !namespace.try('ss', '-lntu').stdout.includes(':53 '))
  })
}
