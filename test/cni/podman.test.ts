import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { installCni } from '#cni'
import { tryCommand } from '../support/command.ts'
import { waitUntil } from '../support/wait.ts'
import { busyboxImage } from './oci-image.ts'
import { Node } from './runtime.ts'

const programs = ['/usr/bin/podman', '/usr/sbin/runc', '/bin/busybox']
const absent = programs.filter((path) => !existsSync(path))
/** Podman 5 has no CNI backend any more. */
const isTooNew =
  absent.length === 0 && !/^podman version [34]\./.test(tryCommand(['podman', '--version']).stdout)
const missing = absent.length > 0 ? `${absent.join(', ')} missing` : isTooNew ? 'it has no CNI backend' : ''
if (missing !== '')
  console.error(`podman test skipped: ${missing}: apt-get install podman runc busybox-static`)
const whenThere = missing === '' ? test : test.skip

whenThere('podman runs containers on our network, with a published port, and restarts them', async (t) => {
  t.timeout(240_000)
  const node = new Node(t)
  await node.agent()
  const path = (name: string): string => join(node.directory, name)
  installCni({
    binDir: path('bin'),
    confDir: path('net.d'),
    conflist: {
      cniVersion: '1.0.0',
      name: 'net',
      plugins: [
        {
          ...node.conf({ isDefaultGateway: true, ipMasq: true }),
          name: undefined,
          cniVersion: undefined,
          capabilities: { portMappings: true },
        },
      ],
    },
  })
  writeFileSync(
    path('containers.conf'),
    `[network]
network_backend = "cni"
cni_plugin_dirs = [${JSON.stringify(path('bin'))}]
network_config_dir = ${JSON.stringify(path('net.d'))}
default_network = "net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
`,
  )
  const podman = (...argv: string[]) => {
    const store = ['--root', path('root'), '--runroot', path('runroot'), '--storage-driver', 'vfs']
    return node.host.runWith(
      { timeoutMs: 60_000, env: { ...process.env, CONTAINERS_CONF: path('containers.conf') } },
      'podman',
      ...store,
      ...argv,
    )
  }
  t.teardown(() => {
    podman('rm', '--force', '--all', '--time', '0')
  })
  mkdirSync(path('image'))
  const image = 'localhost/plexus-test:latest'
  const applets = ['sh', 'httpd']
  podman('load', '-i', busyboxImage(path('image'), { name: image, busybox: '/bin/busybox', applets }))
  podman(
    ...['run', '--detach', '--name', 'web', '--network', 'net', '--publish', '8080:80'],
    // What a test machine that is a container itself may not let podman do.
    ...['--security-opt', 'seccomp=unconfined', '--pids-limit', '0'],
    ...['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'],
    ...[podman('images', '--quiet').trim().split('\n')[0] ?? image, 'httpd', '-f', '-h', '/bin'],
  )
  const answers = (address: string) =>
    waitUntil(
      () => node.host.try('curl', '-s', '-m', '5', '-o', '/dev/null', `http://${address}/sh`).status === 0,
      { what: `an answer of ${address}` },
    )
  await answers('10.1.2.2')
  await answers('127.0.0.1:8080')
  t.deepEqual(node.leases(), ['10.1.2.2'])
  podman('restart', '--time', '0', 'web')
  await answers('127.0.0.1:8080')
  t.deepEqual(node.leases(), ['10.1.2.3'])
  podman('rm', '--force', '--time', '0', 'web')
  t.deepEqual([node.leases(), node.links(), node.rulesWith('net/')], [[], ['br0'], []])
})
