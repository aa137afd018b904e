/** A name server on port 53 of the address given that knows one answer to every query, over TCP alone. */
import { createServer } from 'node:net'
import { decodeMessage, encodeMessage } from '../../../dns/wire/index.ts'
import { a } from './upstream.ts'

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at + 2 <= chunk.length; at += 2 + chunk.readUInt16BE(at)) {
      const query = decodeMessage(chunk.subarray(at + 2, at + 2 + chunk.readUInt16BE(at)))
      const answer = query.questions.map(({ name }) => a(name, '192.0.2.77'))
      const reply = encodeMessage({
        ...query,
        response: true,
        recursionAvailable: true,
        additional: [],
        answer,
      })
      const frame = Buffer.alloc(2)
      frame.writeUInt16BE(reply.length)
      socket.write(Buffer.concat([frame, reply]))
    }
  })
})
server.listen(53, process.argv[2], () => process.stdout.write('ready\n'))
