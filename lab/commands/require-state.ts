import type { LabLayout } from '../cluster/layout.ts'
import { type LabState, readState } from '../cluster/state.ts'
import { labExists } from '../cluster/sweep.ts'
import { LabError } from '../errors.ts'
import { nameFlag } from './hold-lock.ts'

/** The state of a lab that is there, or an error that says how to get one. */
export function requireState(layout: LabLayout): LabState {
  const state = readState(layout)
  if (state !== undefined) return state
  const { name } = layout
  const flag = nameFlag(name)
  throw new LabError(
    'LAB_NOT_UP',
    labExists(layout)
      ? `lab "${name}" is not all there (${layout.state} cannot be read): remove the rest with "bin/plexus lab down${flag}"`
      : `lab "${name}" is not up: start it with "bin/plexus lab up${flag}"`,
  )
}
