/** Names the pod of a request for log lines, from the CNI_ARGS that Kubernetes runtimes send. */
export function podLabels(environment: Readonly<Record<string, string>>): { object: string } {
  const args = new Map(
    (environment['CNI_ARGS'] ?? '').split(';').map((pair) => {
      const [key = '', value = ''] = pair.split('=')
      return [key, value]
    }),
  )
  const name = args.get('K8S_POD_NAME')
  const namespace = args.get('K8S_POD_NAMESPACE')
  if (name !== undefined && namespace !== undefined) return { object: `Pod ${namespace}/${name}` }
  return { object: `container ${environment['CNI_CONTAINERID'] ?? ''}` }
}
