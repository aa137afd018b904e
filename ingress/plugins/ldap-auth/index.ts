import { splitAddress } from '../../upstream/index.ts'
import { attachConsumer, clearIdentity, realmSchema } from '../authentication.ts'
import { basicCredentials } from '../basic-credentials.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { bind, escapeDn } from './bind.ts'

interface Conf {
  readonly base_dn: string
  readonly ldap_uri: string
  readonly use_tls: boolean
  readonly tls_verify: boolean
  readonly uid: string
  readonly hide_credentials: boolean
  readonly realm: string
}

/** Basic authentication whose passwords an LDAP directory knows; the consumer is the one of that entry. */
export const ldapAuth: Plugin = {
  name: 'ldap-auth',
  priority: 2540,
  schema: {
    type: 'object',
    properties: {
      base_dn: { type: 'string' },
      ldap_uri: { type: 'string' },
      use_tls: { type: 'boolean', default: false },
      tls_verify: { type: 'boolean', default: false },
      uid: { type: 'string', default: 'cn' },
      hide_credentials: { type: 'boolean', default: false },
      realm: realmSchema('ldap'),
    },
    required: ['base_dn', 'ldap_uri'],
  },
  consumerSchema: {
    type: 'object',
    properties: { user_dn: { type: 'string' } },
    required: ['user_dn'],
  },
  consumerKey: (conf) => String(conf.user_dn),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const { host, port } = splitAddress(own.ldap_uri.replace(/^ldaps?:\/\//, ''))
    const secure = own.use_tls
    const server = { host, port: port ?? (secure ? 636 : 389), secure, verify: own.tls_verify }
    const refuse = (message: string): PluginAnswer => ({
      status: 401,
      body: { message },
      headers: { 'WWW-Authenticate': `Basic realm="${own.realm}"` },
    })
    return {
      async rewrite(context) {
        clearIdentity(context)
        const header = context.exchange.headers.get('authorization')
        if (header === undefined) return refuse('Missing authorization in request')
        const given = basicCredentials(header)
        if (given === undefined) return refuse('Invalid authorization in request')
        const dn = `${own.uid}=${escapeDn(given.user)},${own.base_dn}`
        const entry = environment.auth.find('ldap-auth', dn)
        const taken =
          entry !== undefined &&
          (await bind(server, dn, given.password).catch((error: unknown) => {
            const object = environment.owner
            environment.log.error(
              { plugin: 'ldap-auth', object, err: error },
              'the directory cannot be asked',
            )
            return false
          }))
        if (!taken) return refuse('Invalid user authorization')
        if (own.hide_credentials) context.exchange.headers.remove('authorization')
        attachConsumer(context, entry, 'ldap-auth')
        return undefined
      },
    }
  },
}
