import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { isObject, type JsonObject } from '../../objects/index.ts'

// Browsers take 4096 bytes per cookie, name and attributes included.
const PIECE = 3700
const PIECES = 8
const IV = 12
const TAG = 16

export interface CookieSettings {
  readonly secure: boolean
  /** Seconds the browser keeps it; undefined: until it ends. */
  readonly maxAge?: number | undefined
  readonly path: string
  readonly domain?: string | undefined
  readonly httpOnly: boolean
  readonly sameSite: 'Strict' | 'Lax' | 'None' | 'Default'
}

/** Cookies whose content only the gateway can read or make: AES-256-GCM, the name of the cookie authenticated with it. */
export class SealedCookies {
  readonly #key: Buffer

  constructor(secret: string) {
    this.#key = createHash('sha256').update(`plexus openid-connect ${secret}`).digest()
  }

  /** Set-Cookie values for the content; undefined if it does not fit. */
  seal(name: string, content: JsonObject, settings: CookieSettings): string[] | undefined {
    const iv = randomBytes(IV)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(name))
    const body = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final()])
    const text = Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')
    const count = Math.ceil(text.length / PIECE)
    if (count > PIECES) return undefined
    return Array.from({ length: count }, (_, index) =>
      setCookie(pieceName(name, index), text.slice(index * PIECE, (index + 1) * PIECE), settings),
    )
  }

  /** The content of a cookie that `seal` made; undefined if there is none or somebody else made it. */
  open(name: string, read: (cookie: string) => string | undefined): JsonObject | undefined {
    let text = ''
    for (let index = 0; index < PIECES; index++) {
      const piece = read(pieceName(name, index))
      if (piece === undefined) break
      text += piece
    }
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.length <= IV + TAG) return undefined
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV))
        .setAAD(Buffer.from(name))
        .setAuthTag(bytes.subarray(IV, IV + TAG))
      const plain = Buffer.concat([decipher.update(bytes.subarray(IV + TAG)), decipher.final()])
      const content: unknown = JSON.parse(plain.toString('utf8'))
      return isObject(content) ? content : undefined
    } catch {
      return undefined
    }
  }
}

/** Set-Cookie values that end the cookies of a name. */
export function endCookies(
  name: string,
  settings: CookieSettings,
  read: (cookie: string) => string | undefined,
): string[] {
  return Array.from({ length: PIECES }, (_, index) => pieceName(name, index))
    .filter((piece) => read(piece) !== undefined)
    .map((piece) => setCookie(piece, '', { ...settings, maxAge: 0 }))
}

function pieceName(name: string, index: number): string {
  return index === 0 ? name : `${name}_${index + 1}`
}

function setCookie(name: string, value: string, settings: CookieSettings): string {
  const { secure, maxAge, path, domain, httpOnly, sameSite } = settings
  return [
    `${name}=${value}`,
    `Path=${path}`,
    domain && `Domain=${domain}`,
    httpOnly && 'HttpOnly',
    sameSite !== 'Default' && `SameSite=${sameSite}`,
    secure && 'Secure',
    maxAge !== undefined && `Max-Age=${maxAge}`,
  ]
    .filter((part) => typeof part === 'string')
    .join('; ')
}
