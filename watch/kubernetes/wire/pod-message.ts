// Numbers from k8s.io/api: core/v1/generated.proto. Only what compact/compact-pod.ts keeps.
import { typeAndStatus } from './core-messages.ts'
import { Message } from './message.ts'
import { objectMeta } from './meta-messages.ts'

const containerPort = new Message({
  name: [1, 'text'],
  hostPort: [2, 'number'],
  containerPort: [3, 'number'],
  protocol: [4, 'text'],
  hostIP: [5, 'text'],
})

const container = new Message({
  name: [1, 'text'],
  ports: [6, { list: containerPort }],
  restartPolicy: [24, 'optionalText'],
})

export const podSpecMessage = new Message({
  containers: [2, { list: container }],
  restartPolicy: [3, 'text'],
  terminationGracePeriodSeconds: [4, 'optionalNumber'],
  dnsPolicy: [6, 'text'],
  serviceAccountName: [8, 'text'],
  nodeName: [10, 'text'],
  hostNetwork: [11, 'flag'],
  hostname: [16, 'text'],
  subdomain: [17, 'text'],
  initContainers: [20, { list: container }],
  setHostnameAsFQDN: [35, 'optionalFlag'],
})

export const podMessage = new Message({
  metadata: [1, { message: objectMeta }],
  spec: [2, { message: podSpecMessage }],
  status: [
    3,
    {
      message: new Message({
        phase: [1, 'text'],
        conditions: [2, { list: typeAndStatus }],
        hostIP: [5, 'text'],
        podIP: [6, 'ownText'],
        podIPs: [12, { list: new Message({ ip: [1, 'text'] }) }],
      }),
    },
  ],
})
