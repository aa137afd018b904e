import type { ExecutionContext } from 'ava'
import { concat, NftSocket, NftTransaction, packIPv4, packPort, packProto } from '../../../netlink/index.ts'
import { type TestNamespace, testNamespace } from '../../support/index.ts'

/** A namespace and a socket in it. */
export function open(t: ExecutionContext, name: string): { namespace: TestNamespace; socket: NftSocket } {
  const namespace = testNamespace(t, name)
  const socket = new NftSocket({ netns: namespace.path })
  t.teardown(() => socket.close())
  return { namespace, socket }
}

/** The table as nft prints it, one line per line, without indentation; JSON listing must work, too. */
export function listing(namespace: TestNamespace): string[] {
  JSON.parse(namespace.nft('-j', 'list', 'ruleset'))
  return namespace
    .nft('list', 'ruleset')
    .split('\n')
    .map((line) => line.trim())
}

/** The table of the tests. */
export const T = { family: 'ip', table: 't' } as const

/** A transaction that makes it. */
export function base(): NftTransaction {
  const tx = new NftTransaction()
  tx.addTable({ family: 'ip', name: 't', comment: 'for a test' })
  return tx
}

/** A key of address, protocol and port. */
export const tcp = (address: string, port: number): Uint8Array =>
  concat(packIPv4(address), packProto('tcp'), packPort(port))
