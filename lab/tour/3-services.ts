import { shopAnswer, type Tour } from './tour.ts'

const REQUESTS = 60

/** ClusterIP by name with its spread, NodePort from the visitor's machine. */
export async function services(tour: Tour): Promise<void> {
  // The client is an endpoint itself: a part of its requests comes back to it (hairpin).
  const { stdout, stderr } = await tour.run(
    'catalog-1',
    ['sh', '-c', `for i in $(seq ${REQUESTS}); do curl -sS --max-time 5 http://catalog/; done`],
    { quiet: true },
  )
  const answers = stdout.split('\n').filter(Boolean).map(shopAnswer)
  const counts = new Map<string, number>()
  for (const answer of answers)
    if (answer !== undefined) counts.set(answer.pod, (counts.get(answer.pod) ?? 0) + 1)
  const endpoints = tour.cluster.store.endpoints.of('shop/catalog').addresses.filter(({ ready }) => ready)
  const spread = [...counts].sort().map(([pod, count]) => `${pod} ${count}`)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  tour.expect(
    total === REQUESTS && counts.size === endpoints.length,
    `${total} of ${REQUESTS} requests to ${tour.service('shop/catalog').spec.clusterIP} answered, spread over ${counts.size} of ${endpoints.length} endpoints: ${spread.join(', ')}${stderr === '' ? '' : ` (${stderr.trim().split('\n')[0]})`}`,
  )
  const nodePort = tour.service('shop/web').spec.ports[0]?.nodePort ?? 0
  for (const { name, address } of tour.cluster.plan.nodes) {
    const result = await tour.run('host', [
      'curl',
      '-sS',
      '--max-time',
      '5',
      `http://${address}:${nodePort}/`,
    ])
    const answer = shopAnswer(result.stdout)
    tour.expect(
      answer?.['service'] === 'web',
      `this machine reached NodePort ${nodePort} of ${name}: ${answer === undefined ? 'no answer' : `${answer.pod} on ${answer.node} answered`}`,
    )
  }
}
