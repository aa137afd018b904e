// Numbers from k8s.io/apimachinery: pkg/apis/meta/v1/generated.proto, pkg/runtime/generated.proto.
import { Message } from './message.ts'

export const objectMeta = new Message({
  name: [1, 'ownText'],
  namespace: [3, 'text'],
  uid: [5, 'ownText'],
  resourceVersion: [6, 'ownText'],
  creationTimestamp: [8, 'time'],
  deletionTimestamp: [9, 'time'],
  labels: [11, 'textMap'],
  annotations: [12, 'textMap'],
})

export const listMeta = new Message({ resourceVersion: [2, 'text'], continue: [3, 'text'] })

/** metav1.Status: what an error answer or an ERROR event carries. */
export const statusMessage = new Message({
  status: [2, 'text'],
  message: [3, 'text'],
  reason: [4, 'text'],
  details: [5, { message: new Message({ retryAfterSeconds: [5, 'number'] }) }],
  code: [6, 'number'],
})

export const labelSelector = new Message({
  matchLabels: [1, 'textMap'],
  matchExpressions: [
    2,
    { list: new Message({ key: [1, 'text'], operator: [2, 'text'], values: [3, { list: 'text' }] }) },
  ],
})

export const typeMeta = new Message({ apiVersion: [1, 'text'], kind: [2, 'text'] })
