// Writes deploy/rbac.yaml: `node watch/kubernetes/rbac/write-roles.ts`. A test says when it is due.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolesManifest } from './roles-manifest.ts'

writeFileSync(join(import.meta.dirname, '../../../deploy/rbac.yaml'), rolesManifest())
