import type {
  Consumer,
  GlobalRule,
  PluginConfig,
  Route,
  Ssl,
  StreamRoute,
  Upstream,
} from '../objects/index.ts'

/** A reason why (a part of) a Kubernetes object has no effect. */
export interface TranslationProblem {
  /** `ApisixRoute shop/catalog` */
  readonly object: string
  readonly field: string
  readonly message: string
}

/** A Service port as a backend; its nodes come from the watch cache. */
export interface ServiceBackend {
  readonly id: string
  readonly name: string
  readonly namespace: string
  readonly service: string
  readonly port: number | string
  readonly granularity: 'endpoint' | 'service'
  /** Of the ApisixUpstream's subsets, '' for all endpoints. */
  readonly subset: string
  /** Over those of the ApisixUpstream: what annotations of an Ingress ask for. */
  readonly settings?: Partial<Upstream> | undefined
}

/** What one Kubernetes object becomes. */
export class Translation {
  readonly object: string
  readonly routes: Route[] = []
  readonly streamRoutes: StreamRoute[] = []
  readonly backends: ServiceBackend[] = []
  readonly upstreams: Upstream[] = []
  readonly consumers: Consumer[] = []
  readonly pluginConfigs: PluginConfig[] = []
  readonly globalRules: GlobalRule[] = []
  readonly ssls: Ssl[] = []
  readonly problems: TranslationProblem[] = []
  /** Ids of objects that could not be made: what they were before stays in force. */
  readonly failed = new Set<string>()
  /** Other objects this was made from, as `Kind namespace/name`. */
  readonly uses = new Set<string>()

  constructor(object: string) {
    this.object = object
  }

  problem(field: string, message: string): void {
    this.problems.push({ object: this.object, field, message })
  }
}
