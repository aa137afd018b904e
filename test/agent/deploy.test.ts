// deploy/ holds what a user applies: the files in it have to be what the agent takes.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseAllDocuments } from 'yaml'
import { loadConfiguration } from '../../agent/configuration.ts'
import { checkConfiguration } from '../../agent/node-agent.ts'
import { testDirectory } from '../support/index.ts'

interface Manifest {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Record<string, string>
  }
  readonly [more: string]: unknown
}

const folder = join(import.meta.dirname, '../../deploy')
const documents = (name: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Manifest
  })

test.serial('the ConfigMap is a configuration that the agent takes, component by component', async (t) => {
  const map = documents('plexus.yaml').find(({ kind }) => kind === 'ConfigMap')
  const files = map?.['data'] as Record<string, string>
  const directory = testDirectory(t, 'deploy')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const before = process.env['NODE_NAME']
  process.env['NODE_NAME'] = 'node-7'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_NAME']
    else process.env['NODE_NAME'] = before
  })
  const config = loadConfiguration(join(directory, 'plexus.yaml'))
  t.is(config.nodeName, 'node-7')
  t.is(config.inCluster, true)
  for (const section of ['overlay', 'cni', 'proxy', 'dns', 'gateway'] as const)
    t.truthy(config[section], section)
  await t.notThrowsAsync(checkConfiguration(config))
})

test('every role that is bound is defined, and bound to the account of the DaemonSet', (t) => {
  const defined = new Set(documents('rbac.yaml').map(({ kind, metadata }) => `${kind} ${metadata.name}`))
  const all = documents('plexus.yaml')
  const bindings = all.filter(({ kind }) => kind.endsWith('Binding'))
  t.true(bindings.length >= 6)
  for (const { roleRef, subjects } of bindings) {
    const { kind, name } = roleRef as { kind: string; name: string }
    t.true(defined.has(`${kind} ${name}`), `${kind} ${name}`)
    t.deepEqual(subjects, [{ kind: 'ServiceAccount', name: 'plexus', namespace: 'kube-system' }])
  }
  const daemons = all.find(({ kind }) => kind === 'DaemonSet') as unknown as {
    spec: {
      template: {
        spec: {
          serviceAccountName: string
          volumes: { name: string }[]
          containers: Mounting[]
          initContainers: Mounting[]
        }
      }
    }
  }
  const { spec } = daemons.spec.template
  t.is(spec.serviceAccountName, 'plexus')
  const mounted = [...spec.containers, ...spec.initContainers].flatMap(({ volumeMounts }) =>
    volumeMounts.map(({ name }) => name),
  )
  t.deepEqual([...new Set(mounted)].sort(), spec.volumes.map(({ name }) => name).sort())
})

interface Mounting {
  readonly volumeMounts: { readonly name: string }[]
}
