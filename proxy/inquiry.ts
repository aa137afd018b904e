import type { Store } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import {
  type DescribeContext,
  type EndpointRow,
  endpointRows,
  type ServiceRow,
  serviceRows,
} from './describe.ts'
import type { FamilyProxy } from './family-proxy.ts'
import type { Family } from './model/bytes.ts'
import type { NodeState } from './node-view.ts'
import { type Trace, type TraceRequest, traceConnection } from './trace/trace.ts'

export interface InquiryOptions {
  readonly store: Store
  readonly config: KubeProxyConfiguration
  readonly node: () => NodeState
  readonly families: () => readonly FamilyProxy[]
}

/** Answers what is programmed, and why. Everything is computed when asked. */
export class Inquiry {
  readonly #options: InquiryOptions

  constructor(options: InquiryOptions) {
    this.#options = options
  }

  services(): ServiceRow[] {
    const { store } = this.#options
    return [...store.list('Service')].flatMap((service) =>
      serviceRows(service, this.#endpointsOf(service.metadata), this.#context()),
    )
  }

  endpoints(): EndpointRow[] {
    const { store } = this.#options
    return [...store.list('Service')].flatMap((service) =>
      endpointRows(service, this.#endpointsOf(service.metadata), this.#context()),
    )
  }

  trace(request: TraceRequest): Trace {
    const { store, config, node } = this.#options
    return traceConnection(request, {
      store,
      config,
      node: node(),
      programmed: (frontend, family) => this.#tableOf(family)?.ledger.elementsAt(frontend),
      targetOf: (frontend, family) => this.#tableOf(family)?.ledger.targetOf(frontend),
      ownerOf: (frontend, family) => this.#tableOf(family)?.ledger.ownerOf(frontend),
    })
  }

  #familyOf(family: Family): FamilyProxy | undefined {
    return this.#options.families().find((candidate) => candidate.family === family)
  }

  #tableOf(family: Family): FamilyProxy['table'] | undefined {
    return this.#familyOf(family)?.table
  }

  #endpointsOf({ namespace, name }: { readonly namespace: string; readonly name: string }) {
    return this.#options.store.endpoints.of(`${namespace}/${name}`)
  }

  #context(): DescribeContext {
    return {
      view: this.#options.node().view,
      refused: (service, family) => this.#familyOf(family)?.quarantined.get(service)?.message,
      conflicts: (service, family) => {
        const rivals = new Set(this.#tableOf(family)?.ledger.rivalsOf(service))
        return [...rivals].map((rival) => `Service ${rival} has an address and port of this one`)
      },
    }
  }
}
