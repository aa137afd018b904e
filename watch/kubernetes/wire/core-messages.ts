// Numbers from k8s.io/api: core/v1/generated.proto. Only what the decoders in watch/objects read.
import { Message } from './message.ts'
import { objectMeta } from './meta-messages.ts'

const metadata = [1, { message: objectMeta }] as const

export const objectReference = new Message({
  kind: [1, 'text'],
  namespace: [2, 'text'],
  name: [3, 'text'],
  uid: [4, 'text'],
})

/** What is kept of the conditions of Pods and Nodes. */
export const typeAndStatus = new Message({ type: [1, 'text'], status: [2, 'text'] })

const loadBalancer = new Message({
  ingress: [
    1,
    { list: new Message({ ip: [1, 'text'], hostname: [2, 'text'], ipMode: [3, 'optionalText'] }) },
  ],
})

export const loadBalancerStatus = new Message({ loadBalancer: [1, { message: loadBalancer }] })

export const namespaceMessage = new Message({
  metadata,
  status: [3, { message: new Message({ phase: [1, 'text'] }) }],
})

export const nodeMessage = new Message({
  metadata,
  spec: [
    2,
    {
      message: new Message({
        podCIDR: [1, 'text'],
        unschedulable: [4, 'flag'],
        taints: [5, { list: new Message({ key: [1, 'text'], value: [2, 'text'], effect: [3, 'text'] }) }],
        podCIDRs: [7, { list: 'text' }],
      }),
    },
  ],
  status: [
    3,
    {
      message: new Message({
        conditions: [4, { list: typeAndStatus }],
        addresses: [5, { list: new Message({ type: [1, 'text'], address: [2, 'text'] }) }],
      }),
    },
  ],
})

const servicePort = new Message({
  name: [1, 'text'],
  protocol: [2, 'text'],
  port: [3, 'number'],
  targetPort: [4, 'intOrString'],
  nodePort: [5, 'number'],
  appProtocol: [6, 'optionalText'],
})

export const serviceMessage = new Message({
  metadata,
  spec: [
    2,
    {
      message: new Message({
        ports: [1, { list: servicePort }],
        selector: [2, 'textMap'],
        clusterIP: [3, 'text'],
        type: [4, 'text'],
        externalIPs: [5, { list: 'text' }],
        sessionAffinity: [7, 'text'],
        loadBalancerIP: [8, 'text'],
        loadBalancerSourceRanges: [9, { list: 'text' }],
        externalName: [10, 'text'],
        externalTrafficPolicy: [11, 'text'],
        healthCheckNodePort: [12, 'number'],
        publishNotReadyAddresses: [13, 'flag'],
        sessionAffinityConfig: [
          14,
          {
            message: new Message({
              clientIP: [1, { message: new Message({ timeoutSeconds: [1, 'optionalNumber'] }) }],
            }),
          },
        ],
        ipFamilyPolicy: [17, 'optionalText'],
        clusterIPs: [18, { list: 'text' }],
        ipFamilies: [19, { list: 'text' }],
        allocateLoadBalancerNodePorts: [20, 'optionalFlag'],
        loadBalancerClass: [21, 'optionalText'],
        internalTrafficPolicy: [22, 'optionalText'],
        trafficDistribution: [23, 'optionalText'],
      }),
    },
  ],
  status: [3, { message: loadBalancerStatus }],
})

export const secretMessage = new Message({
  metadata,
  data: [2, 'bytesMap'],
  type: [3, 'text'],
  stringData: [4, 'textMap'],
})

export const configMapMessage = new Message({ metadata, data: [2, 'textMap'], binaryData: [3, 'bytesMap'] })

const endpointAddress = new Message({
  ip: [1, 'text'],
  targetRef: [2, { message: objectReference }],
  hostname: [3, 'text'],
  nodeName: [4, 'optionalText'],
})

export const endpointsMessage = new Message({
  metadata,
  subsets: [
    2,
    {
      list: new Message({
        addresses: [1, { list: endpointAddress }],
        notReadyAddresses: [2, { list: endpointAddress }],
        ports: [
          3,
          {
            list: new Message({
              name: [1, 'text'],
              port: [2, 'number'],
              protocol: [3, 'text'],
              appProtocol: [4, 'optionalText'],
            }),
          },
        ],
      }),
    },
  ],
})
