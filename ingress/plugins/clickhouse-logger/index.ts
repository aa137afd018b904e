import { byTurns, loggerPlugin, post } from '../logger/logger-plugin.ts'

interface Conf {
  readonly endpoint_addr?: string
  readonly endpoint_addrs?: readonly string[]
  readonly user: string
  readonly password: string
  readonly database: string
  readonly logtable: string
  readonly timeout: number
  readonly ssl_verify: boolean
}

/** Inserts log entries into a ClickHouse table. */
export const clickhouseLogger = loggerPlugin({
  name: 'clickhouse-logger',
  priority: 398,
  encryptFields: ['password'],
  properties: {
    endpoint_addr: { type: 'string', pattern: '^https?://' },
    endpoint_addrs: { type: 'array', minItems: 1, items: { type: 'string', pattern: '^https?://' } },
    user: { type: 'string', default: '' },
    password: { type: 'string', default: '' },
    database: { type: 'string', default: '' },
    logtable: { type: 'string', pattern: '^[A-Za-z0-9_.]+$', default: '' },
    timeout: { type: 'integer', minimum: 1, default: 3 },
    ssl_verify: { type: 'boolean', default: true },
  },
  required: ['user', 'password', 'database', 'logtable'],
  check: (conf) =>
    conf.endpoint_addr === undefined && conf.endpoint_addrs === undefined
      ? 'value should match only one schema, but matches none'
      : undefined,
  open(conf) {
    const own = conf as unknown as Conf
    const next = byTurns(own.endpoint_addrs ?? [own.endpoint_addr ?? ''])
    const headers = {
      'Content-Type': 'application/json',
      'X-ClickHouse-User': own.user,
      'X-ClickHouse-Key': own.password,
      'X-ClickHouse-Database': own.database,
    }
    return (entries) => {
      const rows = entries.map((entry) => JSON.stringify(entry)).join(' ')
      const body = `INSERT INTO ${own.logtable} FORMAT JSONEachRow ${rows}`
      return post({ url: next(), headers, body, timeout: own.timeout, verify: own.ssl_verify })
    }
  },
})
