import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import type { Logger } from 'pino'
import { parse } from 'yaml'
import { Field, type FieldProblem, formatPath } from '../../objects/field.ts'
import type { TlsMaterial } from '../connection/dial.ts'
import { type Authorization, fixedAuthorization, noAuthorization } from './authorization.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { ExecPlugin } from './exec-credential.ts'
import { KubeconfigError } from './kubeconfig-error.ts'
import { TokenFile } from './token-file.ts'

export interface KubeconfigOptions {
  readonly file: string
  /** instead of current-context */
  readonly context?: string | undefined
  /** instead of the cluster's server */
  readonly servers?: readonly URL[] | undefined
  readonly log: Logger
}

/**
 * Reads a kubeconfig: certificates (as data or as files, which are read again for each connection),
 * token, tokenFile, username and password, exec plugins, impersonation, proxy-url, tls-server-name.
 * Throws KubeconfigError naming file and field.
 */
export function kubeconfigAccess(options: KubeconfigOptions): ClusterAccess {
  const { file } = options
  const problems: FieldProblem[] = []
  const root = Field.root(parseFile(file), problems).requiredObject()
  const contextName = options.context ?? root.at('current-context').string()
  const context = named(root.at('contexts'), contextName, 'context', file)
  const cluster = named(root.at('clusters'), context.at('cluster').requiredString(), 'cluster', file)
  const userName = context.at('user').string()
  const user = userName === '' ? undefined : named(root.at('users'), userName, 'user', file)
  const server = cluster.at('server').requiredString()
  const proxyUrl = cluster.at('proxy-url').string()
  const material = materialIn(cluster, user, file)
  let access: ClusterAccess | undefined
  const plugin =
    user === undefined || user.at('exec').missing
      ? undefined
      : execPlugin(user.at('exec'), cluster, { file, userName, onCertificate: () => access?.onRenew() })
  const authorization = authorizationIn(user, plugin, options)
  throwProblems(file, problems)
  if (proxyUrl !== '' && !proxyUrl.startsWith('http://')) {
    throw new KubeconfigError(`${file}: proxy-url ${proxyUrl} cannot be used; expected http://host:port`)
  }
  access = {
    servers: options.servers ?? [urlOf(server, file)],
    proxy: proxyUrl === '' ? undefined : urlOf(proxyUrl, file),
    tls: async () => {
      const own = await material()
      const credential = await plugin?.credential()
      if (credential?.certificate === undefined) return own
      return { ...own, cert: credential.certificate, key: credential.key }
    },
    authorization,
    namespace: context.at('namespace').string('default') || 'default',
    origin: file,
    onRenew: () => {},
  }
  return access
}

function parseFile(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KubeconfigError(`${file}: cannot be read: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
  try {
    return parse(text)
  } catch (cause) {
    throw new KubeconfigError(`${file}: is no YAML: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
}

function throwProblems(file: string, problems: readonly FieldProblem[]): void {
  const [first] = problems
  if (first !== undefined) throw new KubeconfigError(`${file}: ${formatPath(first.path)} ${first.message}`)
}

/** The entry of `contexts`, `clusters` or `users` with this name. */
function named(list: Field, name: string, what: 'context' | 'cluster' | 'user', file: string): Field {
  if (name === '') throw new KubeconfigError(`${file}: current-context is not set; set it or name a context`)
  const entry = list.items().find((item) => item.at('name').value === name)
  if (entry === undefined) throw new KubeconfigError(`${file}: ${what}s has no ${what} named ${name}`)
  return entry.at(what).requiredObject()
}

function urlOf(text: string, file: string): URL {
  if (!URL.canParse(text) || !/^https?:/.test(text)) {
    throw new KubeconfigError(`${file}: ${text || 'the empty text'} is no https:// or http:// address`)
  }
  return new URL(text)
}

/** A PEM given as base64 (`<name>-data`) or as a file beside the kubeconfig (`<name>`). */
function pemIn(field: Field, name: string, file: string): () => Promise<string | undefined> {
  const inline = field.at(`${name}-data`).string()
  if (inline !== '') {
    const text = Buffer.from(inline, 'base64').toString('utf8')
    return async () => text
  }
  const path = field.at(name).string()
  if (path === '') return async () => undefined
  const absolute = besideFile(path, file)
  return async () => {
    try {
      return await readFile(absolute, 'utf8')
    } catch (cause) {
      throw new KubeconfigError(`${file}: ${name} ${absolute} cannot be read`, { cause })
    }
  }
}

function besideFile(path: string, file: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path)
}

function materialIn(cluster: Field, user: Field | undefined, file: string): () => Promise<TlsMaterial> {
  const ca = pemIn(cluster, 'certificate-authority', file)
  const cert = user === undefined ? undefined : pemIn(user, 'client-certificate', file)
  const key = user === undefined ? undefined : pemIn(user, 'client-key', file)
  const serverName = cluster.at('tls-server-name').optionalString()
  const insecure = cluster.at('insecure-skip-tls-verify').boolean(false)
  return async () => ({ ca: await ca(), cert: await cert?.(), key: await key?.(), serverName, insecure })
}

function authorizationIn(
  user: Field | undefined,
  plugin: ExecPlugin | undefined,
  { file, log }: KubeconfigOptions,
): Authorization {
  if (user === undefined) return noAuthorization
  const extraHeaders = impersonationIn(user)
  const tokenFile = user.at('tokenFile').string()
  const token = user.at('token').string()
  const username = user.at('username').string()
  // Order of precedence as in client-go: a token file wins over the token it was written with.
  if (tokenFile !== '') return new TokenFile(besideFile(tokenFile, file), { log, extraHeaders })
  if (token !== '') return { ...fixedAuthorization(`Bearer ${token}`), extraHeaders }
  if (username !== '') {
    const pair = Buffer.from(`${username}:${user.at('password').string()}`).toString('base64')
    return { ...fixedAuthorization(`Basic ${pair}`), extraHeaders }
  }
  if (plugin === undefined) return { ...noAuthorization, extraHeaders }
  return {
    extraHeaders,
    header: async () => {
      const { token } = await plugin.credential()
      return token === undefined ? undefined : `Bearer ${token}`
    },
    rejected: (header) => {
      plugin.rejected(header?.replace('Bearer ', ''))
      return true
    },
  }
}

function impersonationIn(user: Field): Record<string, string> {
  const as = user.at('as').string()
  return as === '' ? {} : { 'impersonate-user': as }
}

function execPlugin(
  exec: Field,
  cluster: Field,
  options: { file: string; userName: string; onCertificate: () => void },
): ExecPlugin {
  const { file, userName, onCertificate } = options
  const apiVersion = exec
    .object()
    .at('apiVersion')
    .requiredOneOf(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'])
  const command = exec.at('command').requiredString()
  const provide = exec.at('provideClusterInfo').boolean(false)
  return new ExecPlugin(
    {
      apiVersion,
      // A bare name is looked up in PATH; anything with a slash is relative to the kubeconfig.
      command: command.includes('/') ? besideFile(command, file) : command,
      args: exec.at('args').list((item) => item.string()),
      env: exec.at('env').list((item) => ({
        name: item.requiredObject().at('name').requiredString(),
        value: item.at('value').string(),
      })),
      installHint: exec.at('installHint').string(),
      cluster: provide
        ? {
            server: cluster.at('server').string(),
            'tls-server-name': cluster.at('tls-server-name').optionalString(),
            'insecure-skip-tls-verify': cluster.at('insecure-skip-tls-verify').boolean(false),
            'certificate-authority-data': cluster.at('certificate-authority-data').optionalString(),
          }
        : undefined,
    },
    { where: `${file}: user ${userName}: exec`, onCertificate },
  )
}
