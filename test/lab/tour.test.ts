import test from 'ava'
import { startProcess, stopProcess, tryCommand, waitUntil } from '../support/index.ts'
import { LabMachine } from './support/machine.ts'

// A lab finds its processes by its name, also those in other namespaces: another one on this machine is left alone.
const name = `t${process.pid % 10_000}`

test.serial('every step of the tour holds, and nothing is left of the cluster', async (t) => {
  const machine = await LabMachine.start(t)
  const before = machine.traces()
  const { status, stdout, stderr } = tryCommand(machine.plexus('lab', 'run', '--once', '--name', name), {
    timeoutMs: 150_000,
  })
  t.is(status, 0, stdout + stderr)
  t.regex(stdout, /All 6 steps held/)
  t.deepEqual(machine.traces(), before)
})

test.serial('a lab that was killed is cleared away by the next, and by down', async (t) => {
  const machine = await LabMachine.start(t)
  const before = machine.traces()
  for (const attempt of [1, 2]) {
    const lab = startProcess(machine.plexus('lab', 'run', '--no-tour', '--name', name))
    let output = ''
    lab.stdout?.on('data', (chunk) => {
      output += String(chunk)
    })
    // Killed once half-way up and once when it is up.
    const reached = attempt === 1 ? /agents: / : /Ctrl-C/
    await waitUntil(() => reached.test(output) || lab.exitCode !== null, { timeoutMs: 100_000 })
    t.regex(output, reached)
    machine.run('pkill', '--signal', 'KILL', '--full', 'lab run --no-tour')
    await stopProcess(lab)
  }
  t.notDeepEqual(machine.traces(), before)
  const down = tryCommand(machine.plexus('lab', 'down', '--name', name), { timeoutMs: 60_000 })
  t.is(down.status, 0, down.stdout + down.stderr)
  t.deepEqual(machine.traces(), before)
})
