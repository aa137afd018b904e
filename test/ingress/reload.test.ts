// The real binary: a changed config.yaml is taken over while clients are served.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { testDirectory, testNamespace, waitUntil } from '../support/index.ts'

const plexus = join(import.meta.dirname, '..', '..', 'bin', 'plexus')
const KEY = 'test-key-of-the-reload-test'

const gatewayConfig = (settings: { ports: string; limit: string }) => `
apisix: { node_listen: [${settings.ports}] }
nginx_config: { worker_processes: 2, http: { client_max_body_size: ${settings.limit} } }
deployment: { admin: { admin_key: [{ name: admin, key: ${KEY}, role: admin }] } }
`
const agentConfig = (gateway: string) =>
  `nodeName: n1\nmanifests: [cluster]\ncontrol: { socket: agent.sock }\ngateway: { ${gateway} }\n`
const ROUTE = JSON.stringify({ uri: '/*', plugins: { mocking: { response_example: 'hello' } } })

/** Requests one after the other on new connections until a file is there; says how many failed, and of how many. */
const CLIENT = (stop: string) =>
  `ok=0; bad=0; while [ ! -e ${stop} ]; do if [ "$(curl -s http://127.0.0.1:9080/x)" = hello ]; then ok=$((ok+1)); else bad=$((bad+1)); fi; done; echo "$bad of $((ok+bad))"`

for (const command of ['gateway', 'agent']) {
  test(`plexus ${command} takes over a changed config.yaml without refusing anybody`, async (t) => {
    const folder = testDirectory(t, 'reload')
    const namespace = testNamespace(t, `reload-${command}`)
    mkdirSync(join(folder, 'cluster'))
    const config = join(folder, 'gateway.yaml')
    writeFileSync(config, gatewayConfig({ ports: '9080', limit: '0' }))
    const agent = join(folder, 'agent.yaml')
    writeFileSync(agent, agentConfig('config: gateway.yaml'))
    const ready = join(folder, 'ready')
    const flags =
      command === 'gateway'
        ? ['--manifests', join(folder, 'cluster'), '--config', config]
        : ['--config', agent]
    const child = namespace.start([plexus, command, ...flags, '--ready-file', ready])
    let log = ''
    child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
    await waitUntil(() => existsSync(ready) || child.exitCode !== null)
    t.true(existsSync(ready), log)
    const curl = (...argv: string[]) => namespace.run('curl', '-s', '--max-time', '20', ...argv)
    const api = 'http://127.0.0.1:9180/apisix/admin/routes/1'
    curl('-X', 'PUT', '-H', `X-API-KEY: ${KEY}`, api, '-d', ROUTE)
    t.is(curl('http://127.0.0.1:9080/x'), 'hello')
    const stop = join(folder, 'stop')
    const client = namespace.start(['sh', '-c', CLIENT(stop)])
    let result = ''
    client.stdout?.on('data', (chunk: Buffer) => (result += chunk.toString()))
    const status = (port: number) =>
      curl('-o', '/dev/null', '-w', '%{http_code}', '-d', 'x'.repeat(100), `http://127.0.0.1:${port}/x`)
    const tryStatus = (port: number) => {
      try {
        return status(port)
      } catch {
        return ''
      }
    }
    writeFileSync(config, gatewayConfig({ ports: '9080, 9081', limit: '10' }))
    await waitUntil(() => tryStatus(9081) === '413' && status(9080) === '413', {
      what: `the new port: ${log}`,
    })
    // One that is no good changes nothing.
    writeFileSync(config, gatewayConfig({ ports: 'x', limit: '10' }))
    await waitUntil(() => log.includes('is not a port'), { what: 'the complaint' })
    writeFileSync(config, gatewayConfig({ ports: '9080', limit: '0' }))
    await waitUntil(() => tryStatus(9081) === '' && status(9080) === '200', {
      what: 'the first configuration',
    })
    if (command === 'gateway') {
      // The port works otherwise from now on: without HTTP/2, on other sockets.
      writeFileSync(config, gatewayConfig({ ports: '{ port: 9080, enable_http2: false }', limit: '10' }))
      const http2 = () => {
        try {
          return curl('--http2-prior-knowledge', 'http://127.0.0.1:9080/x') === 'hello'
        } catch {
          return false
        }
      }
      await waitUntil(() => !http2(), { what: 'the port without HTTP/2' })
      writeFileSync(config, `${gatewayConfig({ ports: '9080', limit: '10' })}plexus: { transport: net }\n`)
      await waitUntil(() => http2(), { what: 'HTTP/2 again' })
    }
    if (command === 'agent') {
      // The agent's own file names another one, and what it says else of the gateway is taken over as well.
      writeFileSync(join(folder, 'other.yaml'), gatewayConfig({ ports: '9080, 9082', limit: '10' }))
      writeFileSync(agent, agentConfig('config: other.yaml, statusAddresses: [192.0.2.1]'))
      await waitUntil(() => tryStatus(9082) === '413' && status(9080) === '413', {
        what: `the other file: ${log}`,
      })
      t.is(log.split('component serves').length, 2)
    }
    writeFileSync(stop, '')
    await waitUntil(() => result !== '')
    t.regex(result, /^0 of [1-9]/)
    t.log(result.trim())
    child.kill('SIGTERM')
    await waitUntil(() => child.exitCode !== null || child.signalCode !== null)
    t.is(child.exitCode, 0, log)
  })
}
