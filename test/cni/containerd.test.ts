import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { installCni } from '#cni'
import { joinNamespaces, type TestNamespace, testNamespace } from '../support/namespace.ts'
import { waitUntil } from '../support/wait.ts'
import { Containerd, containerdMissing, image } from './containerd.ts'
import { Node } from './runtime.ts'

const missing = containerdMissing()
const whenThere = missing === undefined ? test.serial : test.serial.skip
if (missing !== undefined) console.error(`containerd test skipped: ${missing}`)

/** What HTTP GET answers, or '' . */
function get(from: TestNamespace, url: string): string {
  return from.try('curl', '-s', '-g', '-m', '5', url).stdout.trim()
}

whenThere(
  'containerd runs pods on our network; restarts of containerd and of the agent do not hurt',
  async (t) => {
    t.timeout(300_000)
    const node = new Node(t)
    const outside = testNamespace(t, 'out')
    joinNamespaces(
      { namespace: node.host, name: 'up0', addresses: ['192.0.2.1/24'] },
      { namespace: outside, name: 'eth0', addresses: ['192.0.2.2/24'] },
    )
    const [binDir, confDir, logDirectory] = ['bin', 'net.d', 'log'].map((name) =>
      join(node.directory, name),
    ) as [string, string, string]
    mkdirSync(logDirectory)
    installCni({
      binDir,
      confDir,
      types: ['plexus', 'loopback'],
      conflist: {
        cniVersion: '1.0.0',
        name: 'net',
        plugins: [
          {
            type: 'plexus',
            socket: node.socket,
            bridge: 'br0',
            isDefaultGateway: true,
            hairpinMode: true,
            ipMasq: true,
            ipam: { type: 'host-local', dataDir: node.directory, subnet: '10.1.2.0/24' },
            capabilities: { portMappings: true },
          },
        ],
      },
    })
    const agent = await node.agent()
    const containerd = new Containerd(t, node, { binDir, confDir })
    let cri = await containerd.start()
    t.teardown(() => cri.close())
    await waitUntil(() => cri.isNetworkReady(), { what: 'containerd to see the network configuration' })
    containerd.importImage()
    await waitUntil(() => cri.hasImage(image), { what: 'containerd to know the image' })

    const web = { name: 'web', logDirectory, portMappings: [{ hostPort: 8080, containerPort: 80 }] }
    const webId = await cri.runPod(web)
    const webAddress = await cri.podAddress(webId)
    t.is(webAddress, '10.1.2.2')
    await cri.runContainer(webId, web, image, [
      '/bin/sh',
      '-c',
      'echo hello >/www/index.html; exec /bin/httpd -f -p 80 -h /www',
    ])
    await waitUntil(() => get(node.host, 'http://10.1.2.2/') === 'hello', {
      what: 'the pod to answer its node',
    })
    t.is(get(outside, 'http://192.0.2.1:8080/'), 'hello', 'hostPort from outside')
    t.is(get(node.host, 'http://127.0.0.1:8080/'), 'hello', 'hostPort from the node itself')

    // Not wget: glibc's look-ups of names need shared libraries even in a static busybox.
    const fetching = (address: string, port: number): string[] => {
      const ask = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc ${address} ${port} | grep hello >/www/index.html`
      return ['/bin/sh', '-c', `until ${ask}; do sleep 1; done; exec httpd -f -p 80 -h /www`]
    }
    const client = { name: 'client', logDirectory }
    const clientId = await cri.runPod(client)
    await cri.runContainer(clientId, client, image, fetching('10.1.2.2', 80))
    const clientAddress = await cri.podAddress(clientId)
    await waitUntil(() => get(node.host, `http://${clientAddress}/`) === 'hello', {
      what: 'a pod to fetch from another',
    })

    // containerd restarts: pods go on, and are still its own.
    cri.close()
    await containerd.stop()
    t.is(get(outside, 'http://192.0.2.1:8080/'), 'hello')
    cri = await containerd.start()
    t.is(await cri.podAddress(webId), webAddress)

    // The agent dies: pods go on; without an agent new ones start all the same, and old ones end.
    agent.kill('SIGKILL')
    t.is(get(outside, 'http://192.0.2.1:8080/'), 'hello')
    const third = { name: 'third', logDirectory, portMappings: [{ hostPort: 8081, containerPort: 80 }] }
    const thirdId = await cri.runPod(third)
    await cri.runContainer(thirdId, third, image, fetching('192.0.2.1', 8080))
    await waitUntil(() => get(outside, 'http://192.0.2.1:8081/') === 'hello', {
      what: 'a pod to fetch from a hostPort',
    })
    await cri.removePod(clientId)
    t.false(node.leases().includes(clientAddress))
    await node.agent()
    await cri.removePod(webId)
    await cri.removePod(thirdId)
    t.is(get(outside, 'http://192.0.2.1:8080/'), '')
    t.deepEqual([node.leases(), node.links().sort()], [[], ['br0', 'up0']])
    t.deepEqual(node.rulesWith('net/'), [])
  },
)
