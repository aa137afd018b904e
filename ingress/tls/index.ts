export { Certificates, checkPairs, namesOf } from './certificates.ts'
export type { Credentials } from './server-credentials.ts'
export { SessionKeys } from './session-keys.ts'
