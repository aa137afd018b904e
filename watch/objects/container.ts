import { addressIn } from './address.ts'
import { optionalPortIn, portIn, portOrNameIn, protocolIn } from './common.ts'
import type { Field } from './field.ts'
import type { IntOrString, Protocol } from './meta.ts'

export interface ContainerPort {
  readonly name: string
  readonly containerPort: number
  readonly protocol: Protocol
  /** 0 if none */
  readonly hostPort: number
  readonly hostIP: string
}

export interface Probe {
  readonly exec?: { readonly command: readonly string[] } | undefined
  readonly httpGet?:
    | { readonly path: string; readonly port: IntOrString; readonly host: string; readonly scheme: string }
    | undefined
  readonly tcpSocket?: { readonly port: IntOrString; readonly host: string } | undefined
  readonly initialDelaySeconds: number
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly successThreshold: number
  readonly failureThreshold: number
}

export interface EnvVar {
  readonly name: string
  readonly value: string
  /** a downward API reference such as `status.podIP` */
  readonly fieldPath?: string | undefined
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly env: readonly EnvVar[]
  readonly ports: readonly ContainerPort[]
  readonly readinessProbe?: Probe | undefined
  /** 'Always' on an init container makes it a sidecar (KEP-753), '' otherwise */
  readonly restartPolicy: string
}

export function containerIn(field: Field): Container {
  const probe = field.requiredObject().at('readinessProbe')
  return {
    name: field.at('name').requiredString(),
    image: field.at('image').string(),
    command: field.at('command').list((item) => item.string()),
    args: field.at('args').list((item) => item.string()),
    workingDir: field.at('workingDir').string(),
    env: field.at('env').list((item) => ({
      name: item.requiredObject().at('name').requiredString(),
      value: item.at('value').string(),
      fieldPath: item.at('valueFrom').object().at('fieldRef').object().at('fieldPath').optionalString(),
    })),
    ports: field.at('ports').list(containerPortIn),
    readinessProbe: probe.missing ? undefined : probeIn(probe.object()),
    restartPolicy: field.at('restartPolicy').string(),
  }
}

function containerPortIn(field: Field): ContainerPort {
  return {
    name: field.requiredObject().at('name').string(),
    containerPort: portIn(field.at('containerPort')),
    protocol: protocolIn(field.at('protocol')),
    hostPort: optionalPortIn(field.at('hostPort')),
    hostIP: addressIn(field.at('hostIP')),
  }
}

/** Defaults of the API: every 10 s, 1 s of patience, one success, three failures. */
function probeIn(field: Field): Probe {
  const seconds = (name: string, fallback: number, min: number): number =>
    field.at(name).integer(fallback, { min, max: 2 ** 31 - 1 })
  const exec = field.at('exec').object()
  const http = field.at('httpGet').object()
  const tcp = field.at('tcpSocket').object()
  const probePort = (owner: Field): IntOrString => {
    if (owner.at('port').missing) owner.at('port').expected('a port number or the name of a port')
    return portOrNameIn(owner.at('port')) ?? 0
  }
  return {
    exec: exec.missing ? undefined : { command: exec.at('command').list((item) => item.string()) },
    httpGet: http.missing
      ? undefined
      : {
          path: http.at('path').string('/'),
          port: probePort(http),
          host: http.at('host').string(),
          scheme: http.at('scheme').string('HTTP'),
        },
    tcpSocket: tcp.missing ? undefined : { port: probePort(tcp), host: tcp.at('host').string() },
    initialDelaySeconds: seconds('initialDelaySeconds', 0, 0),
    periodSeconds: seconds('periodSeconds', 10, 1),
    timeoutSeconds: seconds('timeoutSeconds', 1, 1),
    successThreshold: seconds('successThreshold', 1, 1),
    failureThreshold: seconds('failureThreshold', 3, 1),
  }
}
