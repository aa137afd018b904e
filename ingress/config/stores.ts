import { readFileSync } from 'node:fs'
import type { EtcdConfig } from './gateway-config.ts'
import type { Section } from './section.ts'

/** `deployment.etcd`, or `etcd` as in APISIX 2.x; only a given host makes it used. */
export function etcd(section: Section, older: Section): EtcdConfig | undefined {
  const from = section.raw('host') === undefined ? older : section
  const host = from.raw('host')
  if (host === undefined) return undefined
  const hosts = (Array.isArray(host) ? host : [host]).map(String)
  const wrong = hosts.find((one) => !/^https?:\/\/[^/]+\/?$/.test(one))
  if (hosts.length === 0 || wrong !== undefined)
    throw from.error('host', `${JSON.stringify(wrong)} is no address such as http://127.0.0.1:2379`)
  const tls = from.section('tls')
  const file = (field: string) => {
    const path = tls.string(field)
    try {
      return path === undefined ? undefined : readFileSync(path, 'utf8')
    } catch (cause) {
      throw tls.error(field, cause instanceof Error ? cause.message : String(cause))
    }
  }
  return {
    hosts,
    prefix: from.string('prefix') ?? '/apisix',
    timeoutMs: from.duration('timeout') ?? 30_000,
    user: from.string('user'),
    password: from.string('password'),
    tls: {
      cert: file('cert'),
      key: file('key'),
      verify: tls.boolean('verify') ?? true,
      sni: tls.string('sni'),
    },
  }
}

/**
 * APISIX's standalone mode (config_provider yaml or json): all objects are one document, from `plexus.objects_file`, or put
 * as a whole to the Admin API of a gateway whose role is traditional.
 */
export function standalone(
  deployment: Section,
  plexus: Section,
): { readonly objectsFile: string | undefined; readonly configsApi: boolean } {
  const role = deployment.choice('role', ['traditional', 'data_plane', 'control_plane'] as const)
  const fromData = deployment.section('role_data_plane').string('config_provider') ?? 'etcd'
  const fromAdmin = deployment.section('role_traditional').string('config_provider') ?? 'etcd'
  const objectsFile = plexus.string('objects_file')
  if (role !== 'traditional' && fromData !== 'etcd' && objectsFile === undefined)
    throw plexus.error(
      'objects_file',
      `must name the ${fromData} file, as deployment asks for standalone mode`,
    )
  const declared = role !== 'data_plane' && (fromAdmin === 'yaml' || fromAdmin === 'json')
  return { objectsFile, configsApi: declared && objectsFile === undefined }
}

/** `apisix.data_encryption`: words of 16 or 32 bytes; none without a keyring of one's own. */
export function keyring(section: Section): string[] {
  const value = section.raw('keyring')
  if (!(section.boolean('enable_encrypt_fields') ?? true) || value === undefined) return []
  const words = (Array.isArray(value) ? value : [value]).map(String)
  const wrong = words.findIndex((word) => ![16, 32].includes(Buffer.byteLength(word)))
  if (wrong !== -1) throw section.error(`keyring[${wrong}]`, 'must be 16 or 32 bytes long')
  return words
}
