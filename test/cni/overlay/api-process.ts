// Run inside a namespace: an API server with the objects of a file, on port 6443 of every address. Requests are
// allowed as the overlay's ClusterRole does, and Pods may be read by name.
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { rulesOf } from '../../../watch/kubernetes/rbac/cluster-roles.ts'
import { ApiServer } from '../../apiserver/api-server.ts'

const rules = [...rulesOf('overlay'), { apiGroups: [''], resources: ['pods'], verbs: ['get'] }]
/** What the test itself asks, and does as a user. */
const userAgents = /^curl/
const server = await ApiServer.start({
  mode: 'plain',
  authorize({ verb, plural, subresource, userAgent }) {
    const resource = subresource === '' ? plural : `${plural}/${subresource}`
    const allowed = rules.some((rule) => rule.resources.includes(resource) && rule.verbs.includes(verb))
    return allowed || verb === 'other' || userAgents.test(userAgent)
  },
})
server.put(...(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as { kind: string }[]))
const front = createServer((near) => {
  const far = connect(server.network.port, '127.0.0.1')
  near.pipe(far).pipe(near)
  for (const socket of [near, far]) socket.on('error', () => {})
  near.on('close', () => far.destroy())
  far.on('close', () => near.destroy())
})
front.listen(6443, () => console.log('ready'))
