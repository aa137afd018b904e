export { Certificates, type Credentials, checkPairs, namesOf } from './certificates.ts'
