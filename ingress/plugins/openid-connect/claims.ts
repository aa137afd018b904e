import { Ajv } from 'ajv'
import type { JsonObject } from '../../objects/index.ts'
import type { OidcConf } from './settings.ts'

/** Why a token that is good does not suffice. */
export interface ClaimFault {
  readonly status: 401 | 403
  readonly error: string
}

/** A sentence about a claim_schema that is none. */
export function checkClaimSchema(schema: JsonObject | undefined): string | undefined {
  try {
    if (schema !== undefined) validator(schema)
    return undefined
  } catch (error) {
    return `check claim_schema failed: ${error instanceof Error ? error.message : String(error)}`
  }
}

function validator(schema: JsonObject): (value: unknown) => boolean {
  return new Ajv({ strict: false }).compile(schema)
}

/** What a configuration asks of claims, beyond that the token is good. */
export class ClaimRules {
  readonly #conf: OidcConf
  readonly #fits: ((value: unknown) => boolean) | undefined

  constructor(conf: OidcConf) {
    this.#conf = conf
    this.#fits = conf.claim_schema === undefined ? undefined : validator(conf.claim_schema)
  }

  /** Of a bearer token. */
  ofToken(claims: JsonObject): ClaimFault | undefined {
    return (
      this.#scopes(claims.scope) ?? this.#issuer(claims.iss) ?? this.#audience(claims) ?? this.#schema(claims)
    )
  }

  /** Of a session: the scopes that were granted, and what claim_schema says of its parts. */
  ofSession(scope: string, parts: JsonObject): ClaimFault | undefined {
    return this.#scopes(scope) ?? this.#schema(parts)
  }

  #scopes(given: unknown): ClaimFault | undefined {
    const granted = Array.isArray(given) ? given.map(String) : String(given ?? '').split(' ')
    const wanted = this.#conf.required_scopes ?? []
    if (wanted.every((scope) => granted.includes(scope))) return undefined
    return { status: 403, error: `required scopes ${wanted.join(', ')} not present` }
  }

  #issuer(iss: unknown): ClaimFault | undefined {
    const issuers = this.#conf.claim_validator?.issuer?.valid_issuers
    return issuers === undefined || issuers.includes(String(iss))
      ? undefined
      : { status: 401, error: 'the issuer is not a valid one' }
  }

  #audience(claims: JsonObject): ClaimFault | undefined {
    const rule = this.#conf.claim_validator?.audience
    if (rule === undefined) return undefined
    const value = claims[rule.claim]
    if (value === undefined) {
      // Who has to be named cannot be left out either.
      return rule.required || rule.match_with_client_id
        ? { status: 403, error: 'required audience claim not present' }
        : undefined
    }
    return !rule.match_with_client_id || [value].flat().includes(this.#conf.client_id)
      ? undefined
      : { status: 403, error: 'mismatched audience' }
  }

  #schema(value: JsonObject): ClaimFault | undefined {
    if (this.#fits === undefined || this.#fits(value)) return undefined
    return { status: 401, error: 'the claims do not match claim_schema' }
  }
}
