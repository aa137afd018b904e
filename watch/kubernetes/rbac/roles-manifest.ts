import { stringify } from 'yaml'
import { roles } from './cluster-roles.ts'

const head = `# What each component of Plexus may do, and nothing else. Generated from what the code asks for:
# node watch/kubernetes/rbac/write-roles.ts
`

/** The text of deploy/rbac.yaml. */
export function rolesManifest(): string {
  return (
    head +
    roles()
      .map((role) => stringify(role, { lineWidth: 0, aliasDuplicateObjects: false }))
      .join('---\n')
  )
}
