import { isDeepStrictEqual } from 'node:util'
import type {
  ApisixConsumer,
  ApisixGlobalRule,
  ApisixPluginConfig,
  ApisixRoute,
  ApisixTls,
  ApisixUpstream,
  ChangeSet,
  Ingress,
  Kind,
} from '#watch'
import { keyOf } from '#watch'
import type { ObjectChange } from '../objects/index.ts'
import { translateApisixRoute } from './apisix-route.ts'
import { translateUpstream } from './apisix-upstream.ts'
import { backendUpstream } from './backends.ts'
import { translateIngress } from './ingress.ts'
import type { TranslationContext } from './plugin-settings.ts'
import { translateConsumer, translatePlugins } from './resources.ts'
import { translateTls } from './tls.ts'
import type { ServiceBackend, Translation, TranslationProblem } from './translation.ts'

/** Kinds that become gateway objects. */
const SOURCES = [
  'Ingress',
  'ApisixRoute',
  'ApisixPluginConfig',
  'ApisixGlobalRule',
  'ApisixConsumer',
  'ApisixTls',
  'ApisixUpstream',
] as const
/** Kinds they refer to. */
const REFERRED = ['Secret', 'ApisixUpstream', 'ApisixPluginConfig', 'IngressClass'] as const
export const WATCHED: readonly Kind[] = [...new Set<Kind>([...SOURCES, ...REFERRED])]

type SourceKind = (typeof SOURCES)[number]
type SourceObject =
  | Ingress
  | ApisixTls
  | ApisixRoute
  | ApisixPluginConfig
  | ApisixGlobalRule
  | ApisixConsumer
  | ApisixUpstream

interface Output {
  readonly text: string
  readonly change: ObjectChange
}

/**
 * Keeps the gateway objects that Kubernetes objects stand for. Of a change it translates again only what depends on it,
 * and it tells only what came out different: a changed endpoint is one changed upstream.
 */
export class Translator {
  readonly #context: TranslationContext
  readonly #translations = new Map<string, Translation>()
  /** `kind/id` of what each source object made. */
  readonly #made = new Map<string, Set<string>>()
  /** `kind/id` -> output and the source objects that want it. */
  readonly #outputs = new Map<string, Output>()
  readonly #owners = new Map<string, Set<string>>()
  readonly #dependents = new Map<string, Set<string>>()
  readonly #backends = new Map<string, ServiceBackend>()
  readonly #firstSeen = new Map<string, number>()

  constructor(context: TranslationContext) {
    this.#context = context
  }

  get problems(): TranslationProblem[] {
    return [...this.#translations.values()].flatMap((translation) => translation.problems)
  }

  /** Whether some upstream depends on the labels of Pods. */
  get hasSubsets(): boolean {
    for (const { subset } of this.#backends.values()) if (subset !== '') return true
    return false
  }

  /** Pods came, went, or have other labels. */
  applyPods(changes: ChangeSet): ObjectChange[] {
    const namespaces = new Set<string>()
    for (const { before, after } of changes.objects('Pod').values()) {
      const same = isDeepStrictEqual(before?.metadata.labels, after?.metadata.labels)
      if (!same) namespaces.add((after ?? before)?.metadata.namespace ?? '')
    }
    return this.refreshSubsets((namespace) => changes.initial || namespaces.has(namespace))
  }

  /** Looks at the labels of Pods again. */
  refreshSubsets(concerns: (namespace: string) => boolean = () => true): ObjectChange[] {
    const result: ObjectChange[] = []
    for (const [id, { namespace, subset }] of this.#backends)
      if (subset !== '' && concerns(namespace)) this.#refreshUpstream(id, result)
    return result
  }

  apply(changes: ChangeSet): ObjectChange[] {
    const stale = new Set<string>()
    for (const kind of SOURCES) {
      for (const key of changes.objects(kind).keys()) stale.add(`${kind} ${key}`)
    }
    for (const kind of REFERRED) {
      for (const key of changes.objects(kind).keys()) this.#addDependents(stale, `${kind} ${key}`)
    }
    if (changes.objects('IngressClass').size > 0) {
      for (const kind of SOURCES)
        for (const object of this.#context.store.list(kind)) stale.add(`${kind} ${keyOf(object)}`)
    }
    if (changes.initial) for (const name of this.#made.keys()) stale.add(name)
    const refresh = new Set<string>()
    if (changes.services.size > 0) {
      for (const [id, backend] of this.#backends) {
        if (changes.services.has(`${backend.namespace}/${backend.service}`)) refresh.add(id)
      }
    }
    // A Service that appeared, or ports that changed, may alter what the objects themselves become.
    for (const key of changes.services) this.#addDependents(stale, `Service ${key}`)
    const result: ObjectChange[] = []
    // Upstreams first: routes are published when what they point to is there.
    for (const id of refresh) this.#refreshUpstream(id, result)
    for (const name of stale) this.#translate(name, result)
    return result
  }

  #addDependents(into: Set<string>, name: string): void {
    for (const dependent of this.#dependents.get(name) ?? []) into.add(dependent)
  }

  #refreshUpstream(id: string, result: ObjectChange[]): void {
    const backend = this.#backends.get(id)
    if (backend === undefined) return
    this.#emit(
      { kind: 'upstreams', id, value: backendUpstream(this.#context.store, backend, this.#context.nodeName) },
      result,
    )
  }

  #translate(name: string, result: ObjectChange[]): void {
    const space = name.indexOf(' ')
    const kind = name.slice(0, space) as SourceKind
    const object = this.#context.store.get(kind, name.slice(space + 1))
    const before = this.#translations.get(name)
    for (const used of before?.uses ?? []) this.#dependents.get(used)?.delete(name)
    const translation = object === undefined ? undefined : this.#translateObject(object)
    const made = new Set<string>()
    if (translation === undefined) this.#translations.delete(name)
    else {
      this.#translations.set(name, translation)
      for (const used of translation.uses) {
        const dependents = this.#dependents.get(used) ?? new Set()
        this.#dependents.set(used, dependents.add(name))
      }
      this.#publish(name, translation, made, result)
    }
    // What a kept route points to is kept with it.
    if (translation !== undefined && translation.failed.size > 0) this.#keepTargets(name, made)
    for (const key of this.#made.get(name) ?? []) {
      if (made.has(key)) continue
      if (translation?.failed.has(key) === true) made.add(key)
      else this.#release(name, key, result)
    }
    if (made.size === 0) this.#made.delete(name)
    else this.#made.set(name, made)
  }

  #translateObject(object: SourceObject): Translation {
    switch (object.kind) {
      case 'Ingress':
        return translateIngress(this.#context, object)
      case 'ApisixRoute':
        return translateApisixRoute(this.#context, object)
      case 'ApisixTls':
        return translateTls(this.#context, object)
      case 'ApisixUpstream':
        return translateUpstream(this.#context, object)
      case 'ApisixConsumer':
        return translateConsumer(this.#context, object)
      default:
        return translatePlugins(this.#context, object)
    }
  }

  #publish(name: string, translation: Translation, made: Set<string>, result: ObjectChange[]): void {
    const own = (change: ObjectChange) => {
      const key = `${change.kind}/${change.id}`
      made.add(key)
      this.#owners.set(key, (this.#owners.get(key) ?? new Set()).add(name))
      this.#emit(change, result)
    }
    for (const backend of translation.backends) {
      this.#backends.set(backend.id, backend)
      own({
        kind: 'upstreams',
        id: backend.id,
        value: backendUpstream(this.#context.store, backend, this.#context.nodeName),
      })
    }
    for (const value of translation.upstreams) own({ kind: 'upstreams', id: String(value.id), value })
    for (const value of translation.pluginConfigs)
      own({ kind: 'plugin_configs', id: String(value.id), value })
    for (const value of translation.globalRules) own({ kind: 'global_rules', id: String(value.id), value })
    for (const value of translation.ssls) own({ kind: 'ssls', id: String(value.id), value })
    for (const value of translation.consumers) own({ kind: 'consumers', id: value.username, value })
    for (const value of translation.streamRoutes) own({ kind: 'stream_routes', id: String(value.id), value })
    for (const value of translation.routes) own({ kind: 'routes', id: String(value.id), value })
  }

  /** Adds the change to the result if the object differs from what it was; stamps it with its times. */
  #emit(change: ObjectChange, result: ObjectChange[]): void {
    const key = `${change.kind}/${change.id}`
    const text = JSON.stringify(change.value)
    if (this.#outputs.get(key)?.text === text) return
    this.#outputs.set(key, { text, change })
    const now = Math.floor(Date.now() / 1000)
    const created = this.#firstSeen.get(key) ?? now
    this.#firstSeen.set(key, created)
    const value = { ...change.value, create_time: created, update_time: now }
    result.push({ ...change, value } as ObjectChange)
  }

  #release(name: string, key: string, result: ObjectChange[]): void {
    const owners = this.#owners.get(key)
    owners?.delete(name)
    if (owners !== undefined && owners.size > 0) return
    this.#owners.delete(key)
    const output = this.#outputs.get(key)
    this.#outputs.delete(key)
    this.#firstSeen.delete(key)
    if (output === undefined) return
    const { kind, id } = output.change
    if (kind === 'upstreams') this.#backends.delete(id)
    result.push({ kind, id, value: undefined } as ObjectChange)
  }

  #keepTargets(name: string, made: Set<string>): void {
    for (const key of this.#made.get(name) ?? []) if (key.startsWith('upstreams/')) made.add(key)
  }
}
