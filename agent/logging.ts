import pino, { type Logger } from 'pino'
import pretty from 'pino-pretty'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const
export const logFormats = ['auto', 'json', 'pretty'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = (typeof logFormats)[number]

/**
 * The process's logger. It writes to stderr, synchronously (a line is out before the process can be killed):
 * JSON, or readable lines when `format` is 'pretty' or stderr is a terminal.
 */
export function createLogger(
  options: { level?: LogLevel | undefined; format?: LogFormat | undefined } = {},
): Logger {
  const { level = 'info', format = 'auto' } = options
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  const readable = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true)
  if (!readable) return pino(settings, pino.destination({ dest: 2, sync: true }))
  return pino(
    settings,
    pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', singleLine: true }),
  )
}
