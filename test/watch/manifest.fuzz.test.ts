import test from 'ava'
import fc from 'fast-check'
import { decodeObject, formatPath, kindFacts, kinds } from '#watch'
import { readManifestFile } from '../../watch/manifest/manifest-file.ts'

const seed = 20261123

const good = `apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop, labels: &l {app: a}}
x: *l
spec:
  clusterIP: 10.96.0.1
  ports:
  - {name: http, port: 80, targetPort: web}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers: [{name: main, ports: [{name: web, containerPort: 8080}]}]
status: {podIP: 10.1.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: n}}
`

/** The text with a few stretches cut out, doubled or overwritten. */
const mangled = fc
  .array(
    fc.record({
      at: fc.nat(good.length),
      length: fc.nat(40),
      insert: fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom('\t', '&a ', '*l', '<<: *m', '{', '[', '- ', '!!binary ', '---\n', '? '),
      ),
    }),
    { maxLength: 5 },
  )
  .map((cuts) =>
    cuts.reduce((text, { at, length, insert }) => text.slice(0, at) + insert + text.slice(at + length), good),
  )

test(`fuzz: no text makes reading a manifest throw, and last-good objects are kept if it does not parse (seed ${seed})`, (t) => {
  const before = readManifestFile('/m/a.yaml', good, undefined)
  t.is(before.contributions.size, 3)
  let unparsed = 0
  const check = (text: string): void => {
    const file = readManifestFile('/m/a.yaml', text, before)
    for (const problem of file.problems) {
      if ((problem.line ?? 0) < 1 || (problem.column ?? 0) < 1)
        throw new Error(`no place in ${JSON.stringify(problem)}`)
    }
    if (file.parsed) return
    unparsed++
    if (file.contributions !== before.contributions) throw new Error('last good objects are lost')
  }
  fc.assert(fc.property(mangled, check), { seed, numRuns: 1500 })
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), check), { seed, numRuns: 1500 })
  t.true(unparsed > 100, `${unparsed} texts did not parse`)
})

test(`fuzz: no JSON of a known kind makes a decoder throw (seed ${seed})`, (t) => {
  const words = fc.constantFrom(
    ...[
      'spec',
      'status',
      'metadata',
      'name',
      'namespace',
      'ports',
      'port',
      'http',
      'match',
      'paths',
      'backends',
      'rules',
    ],
    ...[
      'endpoints',
      'addresses',
      'conditions',
      'data',
      'stringData',
      'clusterIP',
      'clusterIPs',
      'items',
      '__proto__',
      'podIPs',
      'ip',
    ],
    ...[
      'authParameter',
      'keyAuth',
      'value',
      'hosts',
      'tls',
      'subsets',
      'ingress',
      'from',
      'ipBlock',
      'constructor',
      'containers',
    ],
  )
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 0, -1, 80, 1e300, Number.NaN, '', 'a', '10.0.0.1', 'None', 'fd00::1/64'),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(words, tie('any'), { maxKeys: 6 }),
    ),
  })).any
  const object = fc.tuple(fc.constantFrom(...kinds), fc.dictionary(words, value, { maxKeys: 6 }))
  let invalid = 0
  fc.assert(
    fc.property(object, ([kind, body]) => {
      const decoded = decodeObject({ ...body, apiVersion: kindFacts[kind].apiVersions[0], kind })
      if (decoded.outcome !== 'invalid') return
      invalid++
      for (const { path } of decoded.problems) formatPath(path)
    }),
    { seed, numRuns: 5000 },
  )
  t.true(invalid > 1000, `${invalid} were invalid`)
})
