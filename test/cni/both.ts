import test, { type ExecutionContext } from 'ava'
import { binDirectory, type Json, Node, referenceDirectory } from './runtime.ts'

type Runner = (conf: Json, call: Parameters<Node['run']>[1]) => ReturnType<Node['run']>

export interface Subject {
  readonly isOurs: boolean
  readonly node: Node
  readonly run: Runner
}

/** A case that runs against our plugins, served by an agent, and against the reference plugins. */
export function forBoth(title: string, body: (t: ExecutionContext, subject: Subject) => Promise<void>) {
  for (const directory of [binDirectory, referenceDirectory]) {
    const isOurs = directory === binDirectory
    test(`${isOurs ? 'ours' : 'reference'}: ${title}`, async (t) => {
      const node = new Node(t)
      if (isOurs) await node.agent()
      await body(t, {
        isOurs,
        node,
        run: (conf, call) => {
          // The reference plugins look for iptables.
          const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
          return node.run({ socket: node.socket, ...conf }, { environment, ...call }, directory)
        },
      })
    })
  }
}
