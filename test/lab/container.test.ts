import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { LabError } from '../../lab/errors.ts'
import { containerCommand, imageDirectory } from '../../lab/kubelet/container-command.ts'
import { containerEnvironment, expandVariables } from '../../lab/kubelet/container-env.ts'
import { command, testDirectory } from '../support/index.ts'
import { podOf } from './support/pod.ts'

const placement = { podIPs: ['10.244.1.5'], hostIP: '198.18.0.11' }

function firstContainer(spec: Record<string, unknown>) {
  const pod = podOf({ containers: [{ name: 'web', image: 'bookstore:1', ...spec }] })
  const [container] = pod.spec.containers
  if (container === undefined) throw new Error('no container')
  return { pod, container }
}

test('$(NAME) is replaced, $$(NAME) and unknown names are not', (t) => {
  const variables = new Map([['A', '1']])
  t.is(expandVariables('$(A) $$(A) $(B) $A $', variables), '1 $(A) $(B) $A $')
})

test('the environment holds values, earlier variables and what the Pod knows about itself', (t) => {
  const fieldRef = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } })
  const { pod, container } = firstContainer({
    env: [
      { name: 'IP', ...fieldRef('status.podIP') },
      { name: 'NAME', ...fieldRef('metadata.name') },
      { name: 'NODE', ...fieldRef('spec.nodeName') },
      { name: 'HOST', ...fieldRef('status.hostIP') },
      { name: 'URL', value: 'http://$(IP)/$(NAME)' },
      { name: 'CPU', ...fieldRef('status.cpu') },
    ],
  })
  const { variables, unknown } = containerEnvironment(pod, container, placement)
  t.deepEqual(Object.fromEntries(variables), {
    IP: '10.244.1.5',
    NAME: 'web-1',
    NODE: 'node1',
    HOST: '198.18.0.11',
    URL: 'http://10.244.1.5/web-1',
  })
  t.deepEqual(unknown, ['CPU (fieldRef status.cpu)'])
})

test('a container without a program is refused with its name', (t) => {
  const { container } = firstContainer({})
  const error = t.throws(
    () =>
      containerCommand({
        container,
        variables: new Map(),
        netns: '/n',
        etc: '/e',
        hostname: 'h',
        image: '/i',
      }),
    { instanceOf: LabError },
  )
  t.is(error?.code, 'LAB_MANIFEST')
  t.regex(error?.message ?? '', /container web/)
})

test('an image is a folder by the last part of its name, or just the machine', (t) => {
  const images = testDirectory(t, 'images')
  mkdirSync(path.join(images, 'bookstore'))
  const bookstore = path.join(images, 'bookstore')
  t.is(imageDirectory(images, 'bookstore:1'), bookstore)
  t.is(imageDirectory(images, 'registry.test:5000/team/bookstore@sha256:00'), bookstore)
  t.is(imageDirectory(images, 'busybox'), '/')
  t.is(imageDirectory(images, '../..'), '/')
})

test('a container sees its own resolv.conf, hosts and host name, and the machine keeps its own', (t) => {
  const etc = testDirectory(t, 'etc')
  for (const file of ['resolv.conf', 'hosts', 'hostname'])
    writeFileSync(path.join(etc, file), `pod's ${file}\n`)
  const image = testDirectory(t, 'image')
  const before = command(['cat', '/etc/resolv.conf', '/etc/hosts', '/proc/sys/kernel/hostname'])
  const { container } = firstContainer({
    command: ['/bin/sh', '-c'],
    args: ['cat /etc/resolv.conf /etc/hosts /proc/sys/kernel/hostname; pwd; echo "$0 $1"', '$(WHO)', "it's"],
  })
  const argv = containerCommand({
    container,
    variables: new Map([['WHO', 'two words']]),
    netns: '/proc/self/ns/net',
    etc,
    hostname: 'web-1',
    image,
  })
  t.deepEqual(command(argv).split('\n'), [
    "pod's resolv.conf",
    "pod's hosts",
    'web-1',
    image,
    "two words it's",
    '',
  ])
  t.is(command(['cat', '/etc/resolv.conf', '/etc/hosts', '/proc/sys/kernel/hostname']), before)
})
