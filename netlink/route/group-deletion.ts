import { write } from 'node:fs'
import { messagesOf, readU32 } from '../codec/reader.ts'
import { MessageWriter } from '../codec/writer.ts'
import { NetlinkError } from '../errors.ts'
import { NETLINK_ROUTE, NetlinkSocket, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR } from '../socket.ts'
import { RTM_DELLINK } from './constants.ts'
import { writeIfinfomsg, writeLinkGroup } from './link-encode.ts'

const ENODEV = 19

/**
 * Deletes all links of a group (IFLA_GROUP) of a namespace (default: the thread's) without blocking the event loop: the kernel
 * waits for an RCU grace period (net/core/dev.c, netdev_run_todo; some 16 ms, for one link as for twenty), so the
 * message is written by libuv's thread pool. The links are out of sight after the first millisecond; the promise
 * resolves when the kernel is done. An empty group is no error.
 */
export async function deleteLinkGroupInBackground(
  group: number,
  { netns }: { netns?: string | undefined } = {},
): Promise<void> {
  using socket = new NetlinkSocket({ protocol: NETLINK_ROUTE, netns })
  const request = `RTM_DELLINK group ${group}`
  const writer = new MessageWriter(64)
  writer.begin(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, socket.nextSeq())
  writeIfinfomsg(writer, {})
  writeLinkGroup(writer, group)
  writer.end()
  // write(2) on a netlink socket is send(2) to the kernel, which has answered when it returns.
  await new Promise<void>((resolve, reject) => {
    write(socket.fd, writer.bytes(), (error) => (error === null ? resolve() : reject(error)))
  })
  const reply = new Uint8Array(4096)
  const length = socket.receive(reply, request)
  for (const message of messagesOf(reply, length)) {
    if (message.type !== NLMSG_ERROR) continue
    const errno = -(readU32(message.bytes, message.body) | 0)
    if (errno !== 0 && errno !== ENODEV) throw new NetlinkError({ errno, request })
  }
}
