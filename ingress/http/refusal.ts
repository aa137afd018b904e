import type { HeadFault } from './head.ts'
import { errorPage } from './pages.ts'
import { ownResponse, ResponseWriter } from './response-writer.ts'
import type { Transport } from './transport.ts'

/** Answers what is no request: the page of the fault's status, and notice that the connection ends. */
export function writeRefusal(transport: Transport, fault: HeadFault, server: string): void {
  const page = Buffer.from(errorPage(fault.status))
  const writer = new ResponseWriter(transport, 1)
  const response = ownResponse(fault.status, page.length)
  response.headers.set('Content-Type', 'text/html; charset=utf-8')
  writer.head(response, { method: 'GET', keepAlive: false, server })
  writer.content(page, 0, page.length)
  writer.end(undefined)
}
