/**
 * A client in a process of its own. `load-client.ts load PORT CLIENTS`: requests one after the other on each of them, until its
 * stdin ends. `load-client.ts idle PORT CONNECTIONS`: opens connections, asks on each, and again on each for every line
 * it reads. Says what came of it in lines of JSON.
 */
import http from 'node:http'
import net from 'node:net'
import { createInterface } from 'node:readline'

const [mode, port = '', count = '1'] = process.argv.slice(2)

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

/** The status, or what went wrong. */
function ask(agent: http.Agent | false, n: number): Promise<string> {
  const body = n % 3 === 0 ? 'again' : undefined
  return new Promise((resolve) => {
    const request = http.request(
      { host: '127.0.0.1', port: Number(port), path: `/x${n % 7}/y`, method: body ? 'PUT' : 'GET', agent },
      (response) => {
        response.resume()
        // Of a failure also what each try came to.
        const tries = response.headers['x-apisix-upstream-status'] ?? ''
        response.on('end', () => resolve(`${response.statusCode} ${tries}`.trim()))
        response.on('error', (error) => resolve(error.message))
      },
    )
    request.on('error', (error) => resolve(error.message))
    request.end(body)
  })
}

async function load(): Promise<void> {
  let goesOn = true
  process.stdin.on('end', () => {
    goesOn = false
  })
  process.stdin.resume()
  const agent = new http.Agent({ keepAlive: true })
  const results: Record<string, number> = {}
  let requests = 0
  const client = async (one: http.Agent | false) => {
    while (goesOn) {
      const result = await ask(one, requests++)
      results[result] = (results[result] ?? 0) + 1
    }
  }
  // Every fourth opens a connection for each request.
  await Promise.all(Array.from({ length: Number(count) }, (_, n) => client(n % 4 === 3 ? false : agent)))
  say(results)
  process.exit()
}

async function idle(): Promise<void> {
  const sockets: net.Socket[] = []
  const askOn = (socket: net.Socket) =>
    new Promise<boolean>((resolve) => {
      const end = () => resolve(false)
      socket.once('close', end)
      socket.once('data', (chunk) => {
        socket.removeListener('close', end)
        resolve(String(chunk).startsWith('HTTP/1.1 200 '))
      })
      socket.write('GET /idle HTTP/1.1\r\nHost: a\r\n\r\n')
    })
  const round = async () => {
    let good = 0
    for (let at = 0; at < sockets.length; at += 100)
      for (const one of await Promise.all(sockets.slice(at, at + 100).map(askOn))) if (one) good++
    say({ good })
  }
  for (let n = 0; n < Number(count); n++) {
    const socket = net.connect(Number(port), '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    sockets.push(socket)
  }
  await round()
  for await (const _line of createInterface({ input: process.stdin })) await round()
  process.exit()
}

await (mode === 'load' ? load() : idle())
