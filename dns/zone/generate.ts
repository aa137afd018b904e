/** $GENERATE of zone files, as BIND and CoreDNS know it: one line for each number of a range. */
import { ZoneError } from './errors.ts'
import type { Token } from './record-text.ts'

const most = 65_536

/** The lines of `$GENERATE START-STOP[/STEP] LINE`; `tokens` without the directive's name. Throws ZoneError. */
export function generatedLines(tokens: readonly Token[]): Token[][] {
  const [range, ...line] = tokens
  const match = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(range?.text ?? '')
  const [start = 0, stop = -1, step = 1] = (match ?? []).slice(1).map((text) => Number(text ?? 1))
  if (match === null || step < 1 || stop < start || (stop - start) / step >= most)
    throw new ZoneError(
      `'${range?.text ?? ''}' is no range such as 1-10 or 0-100/10, of at most ${most} lines`,
    )
  const lines: Token[][] = []
  for (let i = start; i <= stop; i += step)
    lines.push(line.map(({ text, quoted }) => ({ text: withNumber(text, i), quoted })))
  return lines
}

/** `$` and `${OFFSET[,WIDTH[,BASE]]}` become the number; `\$` and `$$` a dollar sign. */
function withNumber(text: string, value: number): string {
  return text.replace(/\\\$|\$\$|\$(?:\{([^}]*)\})?/g, (all, modifier: string | undefined) => {
    if (all === '\\$' || all === '$$') return '$'
    return modifier === undefined ? String(value) : formatted(value, modifier)
  })
}

function formatted(value: number, modifier: string): string {
  const [, offset = '', width = '0', base = 'd'] =
    /^(-?\d{1,10})(?:,(\d{1,3})(?:,([doxX]))?)?$/.exec(modifier) ?? []
  const shown = value + Number(offset)
  if (offset === '' || shown < 0) throw new ZoneError(`'\${${modifier}}' is no modifier of $GENERATE`)
  const digits = shown.toString(base === 'd' ? 10 : base === 'o' ? 8 : 16).padStart(Number(width), '0')
  return base === 'X' ? digits.toUpperCase() : digits
}
