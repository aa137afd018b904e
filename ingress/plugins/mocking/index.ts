import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../objects/index.ts'
import type { Plugin } from '../plugin.ts'
import { sampleOf } from './sample.ts'

interface Conf {
  readonly delay: number
  readonly response_status: number
  readonly content_type: string
  readonly response_example?: string
  readonly response_schema?: JsonObject
  readonly with_mock_header: boolean
  readonly response_headers?: Readonly<Record<string, string | number>>
}

/** Answers with a canned response instead of asking an upstream. */
export const mocking: Plugin = {
  name: 'mocking',
  priority: 10900,
  schema: {
    type: 'object',
    properties: {
      delay: { type: 'integer', minimum: 0, default: 0 },
      response_status: { type: 'integer', minimum: 100, default: 200 },
      content_type: { type: 'string', default: 'application/json;charset=utf8' },
      response_example: { type: 'string' },
      response_schema: { type: 'object' },
      with_mock_header: { type: 'boolean', default: true },
      response_headers: { type: 'object' },
    },
    anyOf: [{ required: ['response_example'] }, { required: ['response_schema'] }],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    return {
      access(context) {
        const headers: Record<string, string> = { 'Content-Type': own.content_type }
        if (own.with_mock_header) headers['x-mock-by'] = 'Plexus'
        for (const [name, value] of Object.entries(own.response_headers ?? {}))
          headers[name] = context.expand(String(value))
        const body =
          own.response_example === undefined
            ? JSON.stringify(sampleOf(own.response_schema ?? {}))
            : context.expand(own.response_example)
        const answer = { status: own.response_status, body, headers }
        return own.delay === 0 ? answer : sleep(own.delay * 1000).then(() => answer)
      },
    }
  },
}
