// Numbers from k8s.io/api: discovery/v1/generated.proto, networking/v1/generated.proto.
import { loadBalancerStatus, objectReference } from './core-messages.ts'
import { Message } from './message.ts'
import { labelSelector, objectMeta } from './meta-messages.ts'

const metadata = [1, { message: objectMeta }] as const
const named = new Message({ name: [1, 'text'] })

const hintsMessage = new Message({ forZones: [1, { list: named }], forNodes: [2, { list: named }] })

const sliceEndpoint = new Message({
  addresses: [1, { list: 'text' }],
  conditions: [
    2,
    {
      message: new Message({
        ready: [1, 'optionalFlag'],
        serving: [2, 'optionalFlag'],
        terminating: [3, 'optionalFlag'],
      }),
    },
  ],
  hostname: [3, 'optionalText'],
  targetRef: [4, { message: objectReference }],
  nodeName: [6, 'optionalText'],
  zone: [7, 'optionalText'],
  hints: [8, { message: hintsMessage }],
})

export const endpointSliceMessage = new Message({
  metadata,
  endpoints: [2, { list: sliceEndpoint }],
  ports: [
    3,
    {
      list: new Message({
        name: [1, 'optionalText'],
        protocol: [2, 'optionalText'],
        port: [3, 'optionalNumber'],
        appProtocol: [4, 'optionalText'],
      }),
    },
  ],
  addressType: [4, 'text'],
})

const resource = new Message({ apiGroup: [1, 'optionalText'], kind: [2, 'text'], name: [3, 'text'] })

const backend = new Message({
  resource: [3, { message: resource }],
  service: [
    4,
    {
      message: new Message({
        name: [1, 'text'],
        port: [2, { message: new Message({ name: [1, 'text'], number: [2, 'number'] }) }],
      }),
    },
  ],
})

const paths = new Message({
  paths: [
    1,
    {
      list: new Message({
        path: [1, 'text'],
        backend: [2, { message: backend }],
        pathType: [3, 'optionalText'],
      }),
    },
  ],
})

export const ingressMessage = new Message({
  metadata,
  spec: [
    2,
    {
      message: new Message({
        defaultBackend: [1, { message: backend }],
        tls: [2, { list: new Message({ hosts: [1, { list: 'text' }], secretName: [2, 'text'] }) }],
        rules: [
          3,
          {
            list: new Message({
              host: [1, 'text'],
              ingressRuleValue: [2, { inline: new Message({ http: [1, { message: paths }] }) }],
            }),
          },
        ],
        ingressClassName: [4, 'optionalText'],
      }),
    },
  ],
  status: [3, { message: loadBalancerStatus }],
})

export const ingressClassMessage = new Message({
  metadata,
  spec: [
    2,
    {
      message: new Message({
        controller: [1, 'text'],
        parameters: [
          2,
          {
            message: new Message({
              apiGroup: [1, 'optionalText'],
              kind: [2, 'text'],
              name: [3, 'text'],
              namespace: [5, 'optionalText'],
            }),
          },
        ],
      }),
    },
  ],
})

const policyPort = new Message({
  protocol: [1, 'optionalText'],
  port: [2, 'intOrString'],
  endPort: [3, 'optionalNumber'],
})

const policyPeer = new Message({
  podSelector: [1, { message: labelSelector }],
  namespaceSelector: [2, { message: labelSelector }],
  ipBlock: [3, { message: new Message({ cidr: [1, 'text'], except: [2, { list: 'text' }] }) }],
})

export const networkPolicyMessage = new Message({
  metadata,
  spec: [
    2,
    {
      message: new Message({
        podSelector: [1, { message: labelSelector }],
        ingress: [
          2,
          { list: new Message({ ports: [1, { list: policyPort }], from: [2, { list: policyPeer }] }) },
        ],
        egress: [
          3,
          { list: new Message({ ports: [1, { list: policyPort }], to: [2, { list: policyPeer }] }) },
        ],
        policyTypes: [4, { list: 'text' }],
      }),
    },
  ],
})
