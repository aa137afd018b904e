import net from 'node:net'

/** Bytes to send, or what makes them when their turn comes. */
type Piece = string | Buffer | (() => Promise<string>)

/** Sends bytes and collects what comes back until the server closes or `until` is satisfied; fails after a minute. */
export function exchange(
  port: number,
  data: Piece | readonly Piece[],
  until: (text: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let text = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end after a minute; so far: ${JSON.stringify(text.slice(0, 500))}`))
    }, 60_000)
    const finish = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (until(text)) finish()
    })
    socket.on('error', finish)
    socket.on('close', finish)
    socket.on('connect', async () => {
      for (const one of [data].flat()) {
        const piece = typeof one === 'function' ? await one() : one
        socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
        await new Promise((next) => setTimeout(next, 5))
      }
    })
  })
}

export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
}
