import { isObject } from '../objects/index.ts'
import { call } from '../plugins/http-call.ts'
import { fieldOf, SECRET_TIMEOUT_MS } from './field.ts'
import { signV4 } from './signature-v4.ts'

/** What a `secrets` object of manager aws says. */
export interface AwsConf {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly session_token?: string | undefined
  readonly region?: string | undefined
  readonly endpoint_url?: string | undefined
}

/**
 * Reads a secret of AWS Secrets Manager, or a field of one that is a JSON object. Names may contain slashes: the longest name
 * is tried first, then what is behind its last slash is the field. Rejects if there is none.
 */
export async function readAws(conf: AwsConf, path: string): Promise<string> {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const value = await readSecret(conf, path.slice(0, end))
    if (value !== undefined) return fieldOf(value, path.slice(end + 1))
  }
  throw new Error(`AWS has no secret ${path}`)
}

/** undefined if there is no such secret. */
async function readSecret(conf: AwsConf, name: string): Promise<string | undefined> {
  const region = conf.region ?? 'us-east-1'
  const url = new URL('/', conf.endpoint_url ?? `https://secretsmanager.${region}.amazonaws.com`)
  const request = {
    method: 'POST',
    url,
    headers: {
      'Content-Type': 'application/x-amz-json-1.1',
      'X-Amz-Target': 'secretsmanager.GetSecretValue',
    },
    body: JSON.stringify({ SecretId: name, VersionStage: 'AWSCURRENT' }),
    region,
    service: 'secretsmanager',
  }
  const credentials = {
    accessKeyId: conf.access_key_id,
    secretAccessKey: conf.secret_access_key,
    sessionToken: conf.session_token,
  }
  const { status, body } = await call({
    url: url.href,
    method: request.method,
    headers: signV4(request, credentials, new Date()),
    body: request.body,
    timeoutMs: SECRET_TIMEOUT_MS,
    verify: true,
  })
  const answer = parsed(body)
  if (status === 200 && typeof answer.SecretString === 'string') return answer.SecretString
  if (status === 200) throw new Error(`the secret ${name} in AWS is no text`)
  const type = String(answer.__type ?? '')
  if (type.includes('ResourceNotFoundException')) return undefined
  throw new Error(`AWS answers ${status} ${type} for the secret ${name}`)
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'))
    return isObject(answer) ? answer : {}
  } catch {
    return {}
  }
}
