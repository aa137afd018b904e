import type { Kind } from '../../objects/kinds.ts'
import {
  configMapMessage,
  endpointsMessage,
  namespaceMessage,
  nodeMessage,
  secretMessage,
  serviceMessage,
} from './core-messages.ts'
import type { Message } from './message.ts'
import {
  endpointSliceMessage,
  ingressClassMessage,
  ingressMessage,
  networkPolicyMessage,
} from './network-messages.ts'
import { podMessage } from './pod-message.ts'

/** The protobuf messages of built-in kinds; custom resources have none (the API serves them as JSON only). */
export const messages: { readonly [K in Kind]?: Message } = {
  Node: nodeMessage,
  Namespace: namespaceMessage,
  Pod: podMessage,
  Service: serviceMessage,
  EndpointSlice: endpointSliceMessage,
  Endpoints: endpointsMessage,
  Secret: secretMessage,
  ConfigMap: configMapMessage,
  Ingress: ingressMessage,
  IngressClass: ingressClassMessage,
  NetworkPolicy: networkPolicyMessage,
}
