import { nameFlag } from '../commands/hold-lock.ts'

/** Quotes a word for a POSIX shell if it needs that. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** The line a visitor types to run this command in this place of this lab. */
export function commandLine(lab: string, place: string, argv: readonly string[]): string {
  const command = argv.map(shellWord).join(' ')
  return place === 'host' ? command : `bin/plexus lab exec${nameFlag(lab)} ${place} -- ${command}`
}
