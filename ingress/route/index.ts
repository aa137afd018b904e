export { AddressSet } from './addresses.ts'
export {
  compileExpression,
  compileRegex,
  type Expression,
  ExpressionError,
  type Variables,
} from './expression.ts'
export { type MatchInput, type RouteMatch, Router, type RouterMode } from './router.ts'
export { canonicalUri, decodeArgument, encodePath, queryArgument, removeArgument } from './uri.ts'
