import {
  directiveError,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { compileExpression, type Expression, ExpressionError } from './expression.ts'
import { type ViewContext, ViewPlugin, viewFunctions } from './view.ts'

const name = 'view'

export const view: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const viewName = oneArg(directive, name).text
    const conditions: Expression<ViewContext>[] = []
    readProperties(directive, name, {
      expr: (line) => {
        const text = line.args.map((argument) => argument.text).join(' ')
        try {
          conditions.push(compileExpression(text, viewFunctions))
        } catch (error) {
          if (error instanceof ExpressionError)
            throw directiveError(line, name, `'${text}': ${error.message}`)
          throw error
        }
      },
    })
    const { plugins } = c.block
    c.block.viewName = viewName
    // A condition that fails on a query does not take it.
    c.block.accepts = (query) => {
      try {
        return conditions.every((condition) => condition({ query, plugins }) === true)
      } catch {
        return false
      }
    }
    return new ViewPlugin(viewName)
  },
}
