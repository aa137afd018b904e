import { NftSocket } from '#netlink'

let socket: NftSocket | undefined

/**
 * This process's nf_tables socket, opened once and never closed: closing one makes the kernel finish every deletion in
 * the namespace (nft_rcv_nl_event in net/netfilter/nf_tables_api.c), and the agent would stand still for some 16 ms.
 */
export function nftables(): NftSocket {
  socket ??= new NftSocket()
  return socket
}
