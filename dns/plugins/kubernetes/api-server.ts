import { directiveError, expectArgs } from '../../core/setup.ts'
import type { Corefile } from '../../corefile/parse.ts'
import type { Directive } from '../../corefile/tree.ts'

/** Where the directive `kubernetes` of a Corefile has its cluster from. Paths are as they stand there. */
export interface KubernetesDirective {
  /** file and line of the directive, for messages */
  readonly where: string
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly endpoint?: string | undefined
  readonly tls?:
    | { readonly certificate: string; readonly key: string; readonly authority: string }
    | undefined
}

const plugin = 'kubernetes'

/**
 * What the first `kubernetes` of a Corefile says about its API server (`kubeconfig FILE [CONTEXT]`, or `endpoint URL`
 * with `tls CERT KEY CACERT`); undefined if the plugin is not used. Throws CorefileError.
 */
export function kubernetesDirective(corefile: Corefile): KubernetesDirective | undefined {
  const directives = corefile.blocks.flatMap((block) => block.directives)
  const used = directives.filter(({ name }) => name === plugin)
  const [first] = used
  if (first === undefined) return undefined
  const named = used.find((directive) => property(directive, 'kubeconfig') ?? property(directive, 'endpoint'))
  return { where: `${first.file}:${first.line}`, ...(named === undefined ? {} : connection(named)) }
}

function connection(directive: Directive): Omit<KubernetesDirective, 'where'> {
  const kubeconfig = property(directive, 'kubeconfig')
  if (kubeconfig !== undefined) {
    const [file, context] = expectArgs(kubeconfig, plugin, { min: 1, max: 2 })
    return { kubeconfig: file?.text, context: context?.text }
  }
  const endpoint = property(directive, 'endpoint')
  const tls = property(directive, 'tls')
  if (endpoint === undefined) return {}
  const [url] = expectArgs(endpoint, plugin, { min: 1, max: 1 })
  if (url !== undefined && !/^https?:\/\/./.test(url.text))
    throw directiveError(url, plugin, `endpoint '${url.text}' is no address such as https://10.0.0.1:6443`)
  const [certificate, key, authority] =
    tls === undefined ? [] : expectArgs(tls, plugin, { min: 3, max: 3 }).map(({ text }) => text)
  const files =
    certificate === undefined || key === undefined || authority === undefined
      ? undefined
      : { certificate, key, authority }
  return { endpoint: url?.text, tls: files }
}

function property(directive: Directive, name: string): Directive | undefined {
  return (directive.block ?? []).find((line) => line.name === name)
}
