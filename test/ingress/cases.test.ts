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
        else if (request.url?.startsWith('/echo')) request.pipe(response)
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
/** A literal admin call of upstream's Lua driver: t('/apisix/admin/x', ngx.HTTP_PUT, [[body]]). */
const ADMIN_CALL = /t\(\s*'(\/apisix\/admin\/[^']+)',\s*ngx\.HTTP_(\w+)\s*(?:,\s*\[\[(.*?)\]\])?/gs

/** Runs the block if it can be without Lua; undefined if not. */
async function runForeign(gateway: TestGateway, one: Case): Promise<string[] | undefined> {
  const config = one.sections.get('config')
  if (config === undefined) {
    if (
      [...one.sections.values()].some(
        (text) => text.startsWith('\u0000qr') === false && text.startsWith('\u0000'),
      )
    )
      return undefined
    return one.sections.has('request') ? judge(one, await send(gateway.port, one)) : undefined
  }
  const calls = [...config.matchAll(ADMIN_CALL)]
  if (calls.length === 0) return undefined
  const answers: string[] = []
  for (const [, url = '', method = '', body] of calls) {
    const answer = await gateway.admin(method, url.replace(/^\/apisix\/admin/, ''), body)
    answers.push(answer.status < 300 ? 'passed' : JSON.stringify(answer.body))
  }
  const wanted = (one.sections.get('response_body') ?? '').trim()
  const like = one.sections.get('response_body_like')
  if (wanted === 'passed') return answers.filter((answer) => answer !== 'passed')
  if (wanted.startsWith('{') && !answers.includes(wanted))
    return [`${answers.join(' | ')}, expected ${wanted}`]
  if (like !== undefined && !answers.some((answer) => patternOf(like).test(answer)))
    return [`${answers}: ${like}`]
  return []
}

// For trying upstream's files by hand: says which blocks differ. Its server has to be on 1980 (here a few of its handlers).
foreign('cases of another suite, as far as they are understood', async (t) => {
  t.timeout(600_000)
  const server = http.createServer((request, response) => {
    response.setHeader('Connection', 'close')
    const where = request.url?.split('?')[0]
    if (where === '/hello' || where === '/hello1')
      response.end(where === '/hello' ? 'hello world\n' : 'hello1 world\n')
    else if (where === '/echo') request.pipe(response)
    else if (where?.startsWith('/uri') === true) {
      const fields = Object.entries(request.headers).sort(([a], [b]) => (a < b ? -1 : 1))
      response.end(`uri: ${request.url}\n${fields.map(([name, value]) => `${name}: ${value}\n`).join('')}`)
    } else if (where === '/server_port') response.end('1980')
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(1980, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const faults: string[] = []
  let ran = 0
  for (const file of (process.env.PLEXUS_CASE_FILES ?? '').split(',')) {
    const gateway = await testGateway(t)
    const [, data = ''] = readFileSync(path.join(FOREIGN ?? '', file), 'utf8').split(/^__DATA__$/m)
    for (const one of parseCases(data, file)) {
      const found = await runForeign(gateway, one).catch((error: unknown) => [String(error)])
      if (found === undefined) continue
      ran++
      faults.push(...found.map((fault) => `${file}: ${one.title}: ${fault}`))
    }
  }
  t.log(`${ran} blocks ran`)
  t.deepEqual(faults, [])
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
