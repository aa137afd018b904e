import { stringify } from 'yaml'
import { clusterRoles } from './cluster-roles.ts'

const head = `# What each component of Plexus may do, and nothing else. Generated from what the code asks for:
# node watch/kubernetes/rbac/write-roles.ts
`

/** The text of deploy/rbac.yaml. */
export function rolesManifest(): string {
  return (
    head +
    clusterRoles()
      .map((role) => stringify(role, { lineWidth: 0 }))
      .join('---\n')
  )
}
