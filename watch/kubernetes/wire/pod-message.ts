// Numbers from k8s.io/api: core/v1/generated.proto. Only what watch/objects/pod.ts and container.ts read.
import { conditionMessage } from './core-messages.ts'
import { Message } from './message.ts'
import { objectMeta } from './meta-messages.ts'

const handler = new Message({
  exec: [1, { message: new Message({ command: [1, { list: 'text' }] }) }],
  httpGet: [
    2,
    {
      message: new Message({
        path: [1, 'text'],
        port: [2, 'intOrString'],
        host: [3, 'text'],
        scheme: [4, 'text'],
      }),
    },
  ],
  tcpSocket: [3, { message: new Message({ port: [1, 'intOrString'], host: [2, 'text'] }) }],
})

const probe = new Message({
  handler: [1, { inline: handler }],
  initialDelaySeconds: [2, 'number'],
  timeoutSeconds: [3, 'number'],
  periodSeconds: [4, 'number'],
  successThreshold: [5, 'number'],
  failureThreshold: [6, 'number'],
})

const containerPort = new Message({
  name: [1, 'text'],
  hostPort: [2, 'number'],
  containerPort: [3, 'number'],
  protocol: [4, 'text'],
  hostIP: [5, 'text'],
})

const fieldRef = new Message({ fieldPath: [2, 'text'] })

const container = new Message({
  name: [1, 'text'],
  image: [2, 'text'],
  command: [3, { list: 'text' }],
  args: [4, { list: 'text' }],
  workingDir: [5, 'text'],
  ports: [6, { list: containerPort }],
  env: [
    7,
    {
      list: new Message({
        name: [1, 'text'],
        value: [2, 'text'],
        valueFrom: [3, { message: new Message({ fieldRef: [1, { message: fieldRef }] }) }],
      }),
    },
  ],
  readinessProbe: [11, { message: probe }],
  restartPolicy: [24, 'optionalText'],
})

const dnsConfig = new Message({
  nameservers: [1, { list: 'text' }],
  searches: [2, { list: 'text' }],
  options: [3, { list: new Message({ name: [1, 'text'], value: [2, 'optionalText'] }) }],
})

export const podMessage = new Message({
  metadata: [1, { message: objectMeta }],
  spec: [
    2,
    {
      message: new Message({
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
        hostAliases: [23, { list: new Message({ ip: [1, 'text'], hostnames: [2, { list: 'text' }] }) }],
        dnsConfig: [26, { message: dnsConfig }],
        setHostnameAsFQDN: [35, 'optionalFlag'],
      }),
    },
  ],
  status: [
    3,
    {
      message: new Message({
        phase: [1, 'text'],
        conditions: [2, { list: conditionMessage }],
        hostIP: [5, 'text'],
        podIP: [6, 'text'],
        startTime: [7, 'time'],
        podIPs: [12, { list: new Message({ ip: [1, 'text'] }) }],
      }),
    },
  ],
})
