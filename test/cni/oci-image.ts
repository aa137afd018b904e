import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { arch } from 'node:process'
import { command } from '../support/command.ts'

/**
 * Builds an OCI image archive (image-spec v1) with one layer, a static busybox under the names in `applets`, and
 * returns its path. Nothing is fetched.
 */
export function busyboxImage(
  directory: string,
  { name, busybox, applets }: { name: string; busybox: string; applets: readonly string[] },
): string {
  const rootfs = join(directory, 'rootfs')
  const layout = join(directory, 'layout')
  for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'www']) {
    mkdirSync(join(rootfs, folder), { recursive: true })
  }
  copyFileSync(busybox, join(rootfs, 'bin', 'busybox'))
  for (const applet of applets) symlinkSync('busybox', join(rootfs, 'bin', applet))
  mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true })
  const layerFile = join(directory, 'layer.tar')
  command(['tar', '--numeric-owner', '--owner=0', '--group=0', '-C', rootfs, '-cf', layerFile, '.'])
  const put = (content: Buffer | object): { digest: string; size: number } => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const hash = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(layout, 'blobs', 'sha256', hash), bytes)
    return { digest: `sha256:${hash}`, size: bytes.length }
  }
  const layer = put(readFileSync(layerFile))
  const platform = { os: 'linux', architecture: arch === 'x64' ? 'amd64' : arch }
  const config = put({
    ...platform,
    config: { Cmd: ['/bin/sleep', '1000000'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  })
  const type = (what: string): string => `application/vnd.oci.image.${what}`
  const manifest = put({
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...config },
    layers: [{ mediaType: type('layer.v1.tar'), ...layer }],
  })
  const entry = {
    mediaType: type('manifest.v1+json'),
    ...manifest,
    platform,
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': 'latest' },
  }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const archive = join(directory, 'image.tar')
  command(['tar', '-C', layout, '-cf', archive, '.'])
  return archive
}
