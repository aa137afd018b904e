import type { ApisixTls, Ingress } from '#watch'
import { keyFrom } from '#watch'
import type { Ssl } from '../objects/index.ts'
import { checkPairs } from '../tls/index.ts'
import { resourceIsOurs } from './classes.ts'
import { idOf, MANAGED_BY } from './names.ts'
import type { TranslationContext } from './plugin-settings.ts'
import { Translation } from './translation.ts'

/** Certificate and key of a kubernetes.io/tls Secret (or of one with APISIX's older names); undefined after a problem. */
export function pairOfSecret(
  context: TranslationContext,
  translation: Translation,
  key: string,
  field: string,
): { readonly cert: string; readonly key: string } | undefined {
  translation.uses.add(`Secret ${key}`)
  const secret = context.store.get('Secret', key)
  if (secret === undefined) {
    translation.problem(field, `Secret ${key} does not exist`)
    return undefined
  }
  const cert = (secret.data['tls.crt'] ?? secret.data.cert)?.toString('utf8')
  const privateKey = (secret.data['tls.key'] ?? secret.data.key)?.toString('utf8')
  if (cert === undefined || privateKey === undefined) {
    translation.problem(field, `Secret ${key} has no tls.crt and tls.key`)
    return undefined
  }
  const fault = checkPairs({ id: 0, cert, key: privateKey })
  if (fault === undefined) return { cert, key: privateKey }
  translation.problem(field, `Secret ${key}: ${fault}`)
  return undefined
}

/** `spec.tls` of an Ingress -> a certificate per entry that names a Secret. */
export function addIngressCertificates(
  context: TranslationContext,
  translation: Translation,
  ingress: Ingress,
): void {
  const { namespace, name } = ingress.metadata
  for (const [index, entry] of ingress.spec.tls.entries()) {
    const field = `spec.tls[${index}]`
    if (entry.secretName === '') continue
    const id = idOf(`ing_${namespace}_${name}_tls_${index}`)
    const hosts =
      entry.hosts.length > 0
        ? entry.hosts
        : ingress.spec.rules.map(({ host }) => host).filter((host) => host !== '')
    if (hosts.length === 0) {
      translation.problem(`${field}.hosts`, 'no host, neither here nor in the rules')
      continue
    }
    const pair = pairOfSecret(
      context,
      translation,
      keyFrom(namespace, entry.secretName),
      `${field}.secretName`,
    )
    if (pair === undefined) translation.failed.add(`ssls/${id}`)
    else
      translation.ssls.push({
        id,
        snis: [...new Set(hosts)],
        ...pair,
        type: 'server',
        status: 1,
        labels: MANAGED_BY,
      })
  }
}

/** ApisixTls -> a certificate, with the authority that signs its clients' certificates if it names one. */
export function translateTls(context: TranslationContext, object: ApisixTls): Translation {
  const { namespace, name } = object.metadata
  const { hosts, secret, client, ingressClassName } = object.spec
  const translation = new Translation(`ApisixTls ${namespace}/${name}`)
  if (!resourceIsOurs(context.store, ingressClassName, context.ingressClass)) return translation
  const id = idOf(`${namespace}_${name}`)
  const pair = pairOfSecret(context, translation, keyFrom(secret.namespace, secret.name), 'spec.secret')
  const authority = client === undefined ? undefined : clientAuthority(context, translation, object)
  // Without the authority it asks for, the name would be open to everybody: then rather as it was before.
  if (pair === undefined || (client !== undefined && authority === undefined)) {
    translation.failed.add(`ssls/${id}`)
    return translation
  }
  const ssl: Ssl = { id, snis: hosts, ...pair, type: 'server', status: 1, labels: MANAGED_BY }
  translation.ssls.push(authority === undefined ? ssl : { ...ssl, client: authority })
  return translation
}

function clientAuthority(
  context: TranslationContext,
  translation: Translation,
  object: ApisixTls,
): Ssl['client'] | undefined {
  const { client } = object.spec
  if (client === undefined) return undefined
  const key = keyFrom(client.caSecret.namespace, client.caSecret.name)
  translation.uses.add(`Secret ${key}`)
  const secret = context.store.get('Secret', key)
  const ca = (secret?.data['ca.crt'] ?? secret?.data.cert)?.toString('utf8')
  const { depth, skip_mtls_uri_regex } = client
  if (ca !== undefined)
    return skip_mtls_uri_regex.length === 0 ? { ca, depth } : { ca, depth, skip_mtls_uri_regex }
  const fault = secret === undefined ? 'does not exist' : 'has no ca.crt'
  translation.problem('spec.client.caSecret', `Secret ${key} ${fault}`)
  return undefined
}
