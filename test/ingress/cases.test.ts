import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { type Case, contains, parseCases, patternOf, requestOf } from './support/case-file.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'

const OWN = path.join(import.meta.dirname, 'cases')
const FOREIGN = process.env.PLEXUS_CASES

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** Plain node:http: fetch adds and hides fields. */
function send(port: number, one: Case): Promise<Answer> {
  const { method, target, body } = requestOf(one.sections.get('request') ?? '')
  const headers: Record<string, string> = { host: 'localhost' }
  for (const line of (one.sections.get('more_headers') ?? '').split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body))
  return new Promise((resolve, reject) => {
    const request = http.request(
      { port, host: '127.0.0.1', method, path: target, headers, agent: false },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        )
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** What an answer lacks of what a block expects; empty if nothing. */
function judge(one: Case, answer: Answer): string[] {
  const faults: string[] = []
  const wanted = Number(one.sections.get('error_code') ?? 200)
  if (answer.status !== wanted)
    faults.push(`status ${answer.status}, expected ${wanted}: ${answer.body.slice(0, 200)}`)
  const body = one.sections.get('response_body')
  if (body !== undefined && answer.body.trimEnd() !== body.trimEnd())
    faults.push(`body ${JSON.stringify(answer.body)}`)
  const like = one.sections.get('response_body_like')
  if (like !== undefined && !patternOf(like).test(answer.body))
    faults.push(`body not like ${like}: ${answer.body}`)
  for (const line of (one.sections.get('response_headers') ?? '').split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = String(answer.headers[name] ?? '')
    if (value !== line.slice(colon + 1).trim()) faults.push(`${name}: ${JSON.stringify(value)}`)
  }
  return faults
}

async function admin(gateway: TestGateway, one: Case): Promise<string[]> {
  const { method, target, body } = requestOf(one.sections.get('admin') ?? '')
  const answer = await gateway.admin(method, target.replace(/^\/apisix\/admin/, ''), body)
  const wanted = Number(one.sections.get('error_code') ?? 200)
  const good = one.sections.has('error_code') ? answer.status === wanted : answer.status < 300
  const text = JSON.stringify(answer.body)
  const faults = good ? [] : [`status ${answer.status}, expected ${wanted}: ${text}`]
  const part = one.sections.get('response_body')
  if (part !== undefined && !contains(answer.body, JSON.parse(part))) faults.push(`${text} lacks ${part}`)
  const like = one.sections.get('response_body_like')
  if (like !== undefined && !patternOf(like).test(text)) faults.push(`${text} is not like ${like}`)
  return faults
}

for (const file of readdirSync(OWN).filter((name) => name.endsWith('.t'))) {
  test(`cases of ${file}`, async (t) => {
    const backend = await httpBackend(t, {
      handler: (request, response) => {
        if (request.url?.startsWith('/hello')) response.end('hello\n')
        else if (request.url?.startsWith('/headers')) response.end(JSON.stringify(request.headers))
        else response.writeHead(404).end('nothing\n')
      },
    })
    const gateway = await testGateway(t)
    const text = readFileSync(path.join(OWN, file), 'utf8').replaceAll(
      '{{backend}}',
      `127.0.0.1:${backend.port}`,
    )
    const cases = parseCases(text, file)
    t.true(cases.length > 0)
    for (const one of cases) {
      const faults = one.sections.has('admin')
        ? await admin(gateway, one)
        : judge(one, await send(gateway.port, one))
      t.deepEqual(faults, [], one.title)
    }
  })
}

const foreign = FOREIGN === undefined ? test.skip : test
foreign('cases of another suite, as far as they are understood', async (t) => {
  const directory = FOREIGN ?? ''
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.t'))) {
    const [, data = ''] = readFileSync(path.join(directory, file), 'utf8').split(/^__DATA__$/m)
    const cases = parseCases(data, file)
    const plain = cases.filter(({ sections }) => sections.has('request') && !sections.has('config'))
    t.log(`${file}: ${cases.length} blocks, ${plain.length} without Lua`)
  }
  t.pass()
})

test('blocks and sections are read as Test::Base has them', (t) => {
  const text = `=== TEST 1: first\n--- request\nPOST /a\nbody\n\n--- error_code: 404\n\n=== TEST 2: second\n--- response_body_like eval\nqr/a.c/i\n`
  const [first, second] = parseCases(text, 'x.t')
  t.is(first?.title, 'first')
  t.deepEqual(requestOf(first?.sections.get('request') ?? ''), { method: 'POST', target: '/a', body: 'body' })
  t.is(first?.sections.get('error_code')?.trim(), '404')
  t.true(patternOf(second?.sections.get('response_body_like') ?? '').test('xABCx'))
  t.throws(() => parseCases('nonsense', 'x.t'), { message: /^x\.t:1: / })
  t.true(contains({ a: { b: [1, 2] }, c: 3 }, { a: { b: [1] } }))
  t.false(contains({ a: 1 }, { a: 2 }))
})
