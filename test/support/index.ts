/** What every folder's tests share: namespaces of a test's own, commands in them, waiting. See README.md. */
export {
  CommandError,
  type CommandOptions,
  type CommandResult,
  command,
  startProcess,
  stopProcess,
  tryCommand,
} from './command.ts'
export { testDirectory } from './directory.ts'
export {
  joinNamespaces,
  sweepDeadNamespaces,
  type Teardown,
  TestNamespace,
  testNamespace,
} from './namespace.ts'
export { sleep, type WaitOptions, waitUntil } from './wait.ts'
