/** How requests prove who they are. */
export interface Authorization {
  /** the value of the Authorization header; undefined where a certificate does it */
  header(): Promise<string | undefined>
  /** headers besides, for impersonation */
  readonly extraHeaders: Readonly<Record<string, string>>
  /** Says that the server answered 401 to what `header` was. True if a new attempt may fare better. */
  rejected(header: string | undefined): boolean
}

export const noAuthorization: Authorization = {
  header: async () => undefined,
  extraHeaders: {},
  rejected: () => false,
}

export function fixedAuthorization(value: string): Authorization {
  return { ...noAuthorization, header: async () => value }
}
