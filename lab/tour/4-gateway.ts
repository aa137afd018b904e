import { GATEWAY_PORT } from '../cluster/node-files.ts'
import { shopAnswer, type Tour } from './tour.ts'

const HOST = 'shop.example.test'
const KEY = 'paper-and-ink'

/** An outside client reaches the shop through the gateway, by Host and path, with plugins at work. */
export async function gateway(tour: Tour): Promise<void> {
  const front = `http://${tour.service('kube-system/gateway').status.loadBalancer.ingress[0]?.ip ?? ''}`
  const curl = (...args: string[]) => ['curl', '-sS', '--max-time', '5', '-H', `Host: ${HOST}`, ...args]

  const page = shopAnswer((await tour.run('outside', curl(`${front}/`))).stdout)
  tour.expect(page?.['service'] === 'web', `Ingress ${HOST}/ leads to web: ${who(page)}`)

  const book = shopAnswer((await tour.run('outside', curl(`${front}/api/catalog/emma`))).stdout)
  tour.expect(
    book?.['service'] === 'catalog',
    `ApisixRoute ${HOST}/api/catalog/* leads to catalog: ${who(book)}`,
  )

  const stranger = [
    'curl',
    '-sS',
    '--max-time',
    '5',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '-H',
    'Host: other.example.test',
  ]
  const elsewhere = await tour.run('outside', [...stranger, `${front}/`], { quiet: true })
  tour.expect(
    elsewhere.stdout === '404',
    `another Host finds no route: ${elsewhere.stdout || elsewhere.stderr.trim()}`,
  )

  await limitCount(tour, curl)
  await keyAuth(tour, curl, front)
}

/** The limit is counted by each gateway on its own, so all five go to the one on node1. */
async function limitCount(tour: Tour, curl: (...args: string[]) => string[]): Promise<void> {
  const sale = `http://${tour.node('node1').address}:${GATEWAY_PORT}/api/catalog/sale`
  const five = Array.from({ length: 5 }, () => ['-o', '/dev/null', sale]).flat()
  const { stdout } = await tour.run('outside', curl('-w', '%{http_code}\\n', ...five), { quiet: true })
  const codes = stdout.split('\n').filter(Boolean).join(' ')
  tour.expect(
    codes === '200 200 200 429 429',
    `limit-count lets 3 a minute through to the flash sale: ${codes || 'no answer'}`,
  )
}

async function keyAuth(tour: Tour, curl: (...args: string[]) => string[], front: string): Promise<void> {
  const order = ['-d', '{"book":"emma"}', `${front}/api/orders`]
  const refused = await tour.run('outside', curl('-o', '/dev/null', '-w', '%{http_code}', ...order), {
    quiet: true,
  })
  tour.expect(refused.stdout === '401', `ordering without a key: ${refused.stdout || refused.stderr.trim()}`)
  const accepted = shopAnswer((await tour.run('outside', curl('-H', `apikey: ${KEY}`, ...order))).stdout)
  tour.expect(
    accepted?.['paidBy'] === 'bank',
    accepted === undefined
      ? 'with the key of ApisixConsumer shop-app: no answer'
      : `with the key of ApisixConsumer shop-app: ${accepted['ordered']} for ${accepted['price']}, price from ${accepted['catalogFrom']}, paid by the ${accepted['paidBy']} behind ExternalName payments`,
  )
}

function who(answer: ReturnType<typeof shopAnswer>): string {
  return answer === undefined ? 'no answer of the shop' : `${answer.pod} on ${answer.node} answered`
}
