import type { Logger } from 'pino'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { CheckContext } from '../objects/check.ts'
import { DeclaredStorage } from './declared-storage.ts'
import { EmbeddedStorage } from './embedded-storage.ts'
import { EtcdStorage } from './etcd/etcd-storage.ts'
import type { ObjectStorage } from './object-storage.ts'
import { ObjectsFile } from './objects-file.ts'
import { keyringCodec } from './secret-fields.ts'
import { Journal } from './storage.ts'

/** Opens what the configuration names for the objects: a file, one document that is put, etcd, or the gateway's own journal; they are in the catalogue then. */
export async function openStorage(
  context: CheckContext & { readonly config: GatewayConfig; readonly log: Logger },
): Promise<ObjectStorage> {
  const { config, log, catalogue, registry } = context
  const { etcd, objectsFile, configsApi, dataDirectory } = config
  if (objectsFile !== undefined) return new ObjectsFile({ catalogue, registry, file: objectsFile, log })
  const codec = keyringCodec(config.keyring, registry)
  if (configsApi) return new DeclaredStorage({ catalogue, registry, codec, directory: dataDirectory, log })
  if (etcd !== undefined) {
    const options = { catalogue, registry, config: etcd, codec, directory: dataDirectory, log }
    const storage = new EtcdStorage(options)
    await storage.start()
    return storage
  }
  const journal = dataDirectory === undefined ? undefined : new Journal(dataDirectory, catalogue, codec)
  return new EmbeddedStorage(catalogue, journal, log)
}
