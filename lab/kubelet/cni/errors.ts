/** Something the runtime itself found wrong: configuration, a plugin that is not there, an answer that is not JSON. */
export class CniRuntimeError extends Error {
  readonly code = 'CNI_RUNTIME'

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'CniRuntimeError'
  }
}

/** A plugin said no: its error object (CNI spec 1.1.0, section 5) and who said it to what. */
export class CniPluginError extends Error {
  readonly code = 'CNI_PLUGIN'
  readonly plugin: string
  readonly operation: string
  readonly pluginCode: number

  constructor(options: {
    plugin: string
    operation: string
    pluginCode: number
    msg: string
    details: string
  }) {
    const details = options.details === '' ? '' : `: ${options.details}`
    super(`plugin ${options.plugin} failed (${options.operation}): ${options.msg}${details}`)
    this.name = 'CniPluginError'
    this.plugin = options.plugin
    this.operation = options.operation
    this.pluginCode = options.pluginCode
  }
}
