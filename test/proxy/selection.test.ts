import test from 'ava'
import type { Endpoint } from '#watch'
import { selectEndpoints } from '../../proxy/model/selection.ts'

const here = { nodeName: 'n1', zone: 'z1' }

/** An endpoint from a short text: `a@n1` ready, `a@n1!` not ready, `a@n1~` terminating and serving, `a@n1-` terminating only. */
function endpoint(text: string, hints: { zones?: string[]; nodes?: string[] } = {}): Endpoint {
  const [, address = '', nodeName = '', state = ''] = /^(\w+)@(\w+)([!~-]?)$/.exec(text) ?? []
  return {
    address,
    family: 4,
    port: 80,
    nodeName,
    ready: state === '',
    serving: state === '' || state === '~',
    terminating: state === '~' || state === '-',
    zoneHints: hints.zones ?? [],
    nodeHints: hints.nodes ?? [],
  }
}

const names = (endpoints: readonly Endpoint[]) => endpoints.map(({ address }) => address).join(' ')

const states: [title: string, endpoints: string, cluster: string, local: string][] = [
  ['ready ones are used', 'a@n1 b@n2 c@n2!', 'a b', 'a'],
  ['terminating ones only if none is ready', 'a@n1~ b@n2', 'b', 'a'],
  ['terminating ones as the last resort', 'a@n1~ b@n2~ c@n2-', 'a b', 'a'],
  ['a local ready one beats a local terminating one', 'a@n1~ b@n1', 'b', 'b'],
  ['none at all', 'a@n1- b@n2!', '', ''],
  ['none here', 'a@n2', 'a', ''],
]

for (const [title, endpoints, cluster, local] of states) {
  test(title, (t) => {
    const selection = selectEndpoints(
      endpoints.split(' ').map((text) => endpoint(text)),
      here,
    )
    t.is(names(selection.cluster), cluster)
    t.is(names(selection.local), local)
  })
}

test('zone hints narrow policy Cluster and leave policy Local alone', (t) => {
  const selection = selectEndpoints(
    [
      endpoint('a@n2', { zones: ['z1'] }),
      endpoint('b@n1', { zones: ['z2'] }),
      endpoint('c@n3', { zones: ['z1', 'z2'] }),
    ],
    here,
  )
  t.is(selection.topology, 'PreferSameZone')
  t.is(names(selection.cluster), 'a c')
  t.is(names(selection.local), 'b')
})

test('one ready endpoint without a hint switches zone hints off, a terminating one does not', (t) => {
  const hinted = endpoint('a@n2', { zones: ['z1'] })
  t.is(names(selectEndpoints([hinted, endpoint('b@n2')], here).cluster), 'a b')
  t.is(
    names(selectEndpoints([hinted, endpoint('b@n2', { zones: ['z2'] }), endpoint('c@n2~')], here).cluster),
    'a',
  )
})

test('node hints come before zone hints, and need one for this node', (t) => {
  const both = (text: string, zone: string, node: string) => endpoint(text, { zones: [zone], nodes: [node] })
  t.is(names(selectEndpoints([both('a@n1', 'z1', 'n1'), both('b@n2', 'z1', 'n2')], here).cluster), 'a')
  t.is(names(selectEndpoints([both('a@n3', 'z1', 'n3'), both('b@n2', 'z2', 'n2')], here).cluster), 'a')
})

test('no zone on the node, or no endpoint for it: all are used', (t) => {
  const far = [endpoint('a@n2', { zones: ['z2'] }), endpoint('b@n3', { zones: ['z3'] })]
  t.is(names(selectEndpoints(far, here).cluster), 'a b')
  t.is(names(selectEndpoints(far, { nodeName: 'n1', zone: undefined }).cluster), 'a b')
})
