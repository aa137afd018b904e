import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { createSecureContext } from 'node:tls'
import {
  directiveError,
  expectArgs,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import type { TlsSettings } from '../../server/tls.ts'

const name = 'tls'

/** Go's names for how to treat certificates of clients. */
const clientAuth: Readonly<Record<string, Partial<TlsSettings>>> = {
  nocert: {},
  request: { requestCert: true },
  require: { requestCert: true, requireCert: true },
  verify_if_given: { requestCert: true, verifyIfGiven: true },
  require_and_verify: { requestCert: true, rejectUnauthorized: true },
}

export const tls: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    if (directive.block?.some((line) => line.name === 'acme') === true)
      throw directiveError(
        directive,
        name,
        'acme is not supported: name the files of a certificate and its key',
      )
    const [cert, key, ca] = expectArgs(directive, name, { min: 2, max: 3 })
    const read = (argument: Argument | undefined): string => {
      const path = argument?.text ?? ''
      try {
        return readFileSync(isAbsolute(path) ? path : join(c.block.root, path), 'utf8')
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw directiveError(argument ?? directive, name, `'${path}' cannot be read: ${reason}`)
      }
    }
    const settings = {
      cert: read(cert),
      key: read(key),
      ca: ca === undefined ? undefined : read(ca),
      requestCert: false,
      rejectUnauthorized: false,
    }
    readProperties(directive, name, {
      client_auth: (line) => {
        const mode = oneArg(line, name)
        const known = Object.hasOwn(clientAuth, mode.text) ? clientAuth[mode.text] : undefined
        if (known === undefined)
          throw directiveError(
            mode,
            name,
            `'${mode.text}' must be one of ${Object.keys(clientAuth).join(', ')}`,
          )
        Object.assign(settings, known)
      },
      keylog: (line) => {
        const { text } = oneArg(line, name)
        Object.assign(settings, { keylog: isAbsolute(text) ? text : join(c.block.root, text) })
        c.log.warn(
          { object: `${line.file}:${line.line}` },
          'plugin/tls: keylog writes the secrets of all connections',
        )
      },
    })
    try {
      createSecureContext({ cert: settings.cert, key: settings.key })
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw directiveError(directive, name, `the certificate and key do not work: ${reason}`)
    }
    c.block.tls = settings
    return undefined
  },
}
