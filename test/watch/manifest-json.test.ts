import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { manifestSource, openStore } from '#watch'
import { parseManifest } from '../../watch/manifest/parse.ts'
import { testDirectory } from '../support/index.ts'
import { log } from './objects.ts'

const service = (name: string, port: unknown) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP: '10.96.0.1', ports: [{ name: 'http', port }] },
})

test('problems in JSON have file, line and column, as in YAML', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.json')
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: [service('a', 80), service('b', 99_999), service('a', 81)],
  }
  const text = JSON.stringify(list, undefined, 2)
  writeFileSync(file, text)
  const store = await openStore({ source: manifestSource({ directories: [directory], log }), log })
  t.teardown(() => store.close())
  const lines = text.split('\n')
  const lineOf = (part: string, nth = 0) =>
    lines.map((line, index) => ({ line, index })).filter(({ line }) => line.includes(part))[nth]?.index ?? -1
  const problems = store
    .status()
    .problems.map(({ line, column, field, message }) => ({ line, column, field, message }))
  t.is(problems.length, 2)
  t.like(problems[0], {
    line: lineOf('99999') + 1,
    column: (lines[lineOf('99999')]?.indexOf('99999') ?? 0) + 1,
    field: 'spec.ports[0].port',
  })
  // An item begins with the brace on the line above its apiVersion.
  t.is(problems[1]?.line, lineOf('"apiVersion"', 3))
  t.regex(
    problems[1]?.message ?? '',
    new RegExp(`twice; the document at line ${lineOf('"apiVersion"', 1)} is used`),
  )
  t.is(store.get('Service', 'shop/a')?.spec.ports[0]?.port, 80)
})

test('JSON that is not quite JSON is read as YAML, with its errors', (t) => {
  t.deepEqual(
    parseManifest('{"a": 1, b: 2}').documents.map(({ raw }) => raw),
    [{ a: 1, b: 2 }],
  )
  const [error] = parseManifest('{\n  "a": [1,\n}').errors
  t.is(error?.line, 3)
})
