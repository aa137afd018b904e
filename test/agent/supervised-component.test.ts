import test from 'ava'
import pino from 'pino'
import type { Component } from '../../agent/component.ts'
import { SupervisedComponent } from '../../agent/supervised-component.ts'

const log = pino({ level: 'silent' })
const fake = (events: string[], name: string): Component => ({
  name,
  health: () => ({ ok: true }),
  async stop() {
    events.push(`stop ${name}`)
  },
})

test('a start that fails is retried, and its reason is the health detail meanwhile', async (t) => {
  let tries = 0
  const component = new SupervisedComponent('dns', {
    log,
    start: async () => {
      tries += 1
      if (tries === 1) throw new Error('port 53 is taken')
      return fake([], 'dns')
    },
  })
  await component.start()
  t.deepEqual(component.health(), { ok: false, detail: 'port 53 is taken' })
  for (let waited = 0; !component.health().ok && waited < 100; waited += 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  t.true(component.health().ok)
  t.is(tries, 2)
  await component.stop()
})

test('restart stops the old one before it starts the new one', async (t) => {
  const events: string[] = []
  let generation = 0
  const component = new SupervisedComponent('proxy', {
    log,
    start: async () => {
      generation += 1
      events.push(`start ${generation}`)
      return fake(events, String(generation))
    },
  })
  await component.start()
  await Promise.all([component.restart(), component.restart()])
  await component.stop()
  t.deepEqual(events, ['start 1', 'stop 1', 'start 2', 'stop 2', 'start 3', 'stop 3'])
  t.false(component.health().ok)
})

test('reload reaches a component that runs, and starts one that is down at once', async (t) => {
  let reloads = 0
  let broken = true
  const component = new SupervisedComponent('gateway', {
    log,
    start: async () => {
      if (broken) throw new Error('port 9080 is taken')
      return {
        ...fake([], 'gateway'),
        async reload() {
          reloads += 1
        },
      }
    },
  })
  await component.start()
  t.false(component.health().ok)
  broken = false
  await component.reload()
  t.true(component.health().ok)
  t.is(reloads, 0)
  await component.reload()
  t.is(reloads, 1)
  await component.stop()
})

test('after stop nothing starts again', async (t) => {
  let tries = 0
  const component = new SupervisedComponent('gateway', {
    log,
    start: async () => {
      tries += 1
      throw new Error('no')
    },
  })
  await component.start()
  await component.stop()
  await new Promise((resolve) => setTimeout(resolve, 800))
  t.is(tries, 1)
})
