const VARIABLE = /\$\{\{\s*(\w+)\s*(?::=\s*(.*?)\s*)?\}\}/g

/**
 * A YAML text with `${{NAME}}` and `${{NAME:=otherwise}}` replaced by what the environment says, as APISIX has it in config.yaml
 * and apisix.yaml; comments are left alone. Throws an Error that names a variable that is not set.
 */
export function withEnvironment(text: string): string {
  return text
    .split('\n')
    .map((line) => (/^\s*#/.test(line) ? line : replaced(line)))
    .join('\n')
}

function replaced(line: string): string {
  return line.replace(VARIABLE, (_, name: string, otherwise: string | undefined) => {
    const value = process.env[name] ?? otherwise
    if (value === undefined) throw new Error(`environment variable ${name} is not set`)
    return value
  })
}
