import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { type GatewayComponent, type GatewayConfig, parseGatewayConfig, startGateway } from '#ingress'
import { memorySource, openStore } from '#watch'

export const log = pino({ level: process.env.GATEWAY_TEST_LOG ?? 'silent' })
export const KEY = 'edd1c9f034335f136f87ad84b625c8f1'

const BASE = `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
deployment:
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key:
      - { name: admin, key: ${KEY}, role: admin }
      - { name: viewer, key: 4054f7cf07e344346cd3f287985e76a2, role: viewer }
`

/** Decoded JSON of the Admin API, looked into freely by assertions. */
export interface Answer {
  readonly [name: string]: Answer
}

export interface TestGateway {
  readonly gateway: GatewayComponent
  readonly metrics: Registry
  readonly port: number
  readonly url: string
  readonly source: ReturnType<typeof memorySource>
  admin(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Answer }>
  put(path: string, body: unknown): Promise<void>
}

/** A gateway on free loopback ports over an empty memory source, ended with the test. */
export async function testGateway(
  t: ExecutionContext,
  options: {
    readonly objects?: readonly unknown[]
    readonly config?: Partial<GatewayConfig>
    readonly text?: string
    readonly nodeName?: string
  } = {},
): Promise<TestGateway> {
  const source = memorySource()
  source.apply(...(options.objects ?? []))
  const store = await openStore({ source, log })
  const metrics = new Registry()
  const text = options.text ?? BASE
  const config = {
    ...parseGatewayConfig(text, 'test'),
    // More than one where the test is about it.
    ...(text.includes('worker_processes') ? {} : { workers: 1 }),
    shutdownTimeout: 200,
    ...options.config,
  }
  const { nodeName } = options
  const gateway = await startGateway({ store, config, log, metrics, nodeName })
  t.teardown(async () => {
    await gateway.stop()
    await store.close()
  })
  const port = gateway.listen[0]?.port ?? 0
  const api = `http://127.0.0.1:${gateway.adminListen?.port}/apisix/admin`
  const admin: TestGateway['admin'] = async (method, url, body, headers = { 'X-API-KEY': KEY }) => {
    const response = await fetch(`${api}${url}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: /^[{[]/.test(text) ? JSON.parse(text) : text }
  }
  const put: TestGateway['put'] = async (url, body) => {
    const { status, body: answer } = await admin('PUT', url, body)
    if (status >= 300) throw new Error(`PUT ${url}: ${status} ${JSON.stringify(answer)}`)
  }
  return { gateway, metrics, port, url: `http://127.0.0.1:${port}`, source, admin, put }
}

export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'plx-gateway-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
