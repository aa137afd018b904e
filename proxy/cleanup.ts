import { NftSocket, NftTransaction } from '#netlink'
import { tableOf } from './table-name.ts'

/** Removes the proxy's own tables, and nothing else, from the network namespace of this process. No error if there are none. */
export function cleanup(): void {
  const socket = new NftSocket()
  try {
    const present = socket.tables()
    const transaction = new NftTransaction()
    for (const { family, table: name } of [tableOf(4), tableOf(6)]) {
      if (present.some((table) => table.family === family && table.name === name))
        transaction.deleteTable({ family, name })
    }
    socket.commit(transaction)
  } finally {
    socket.close()
  }
}
