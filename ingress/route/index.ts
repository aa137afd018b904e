export { AddressSet } from './addresses.ts'
export { clientAddress } from './client-address.ts'
export {
  compileExpression,
  compileRegex,
  type Expression,
  ExpressionError,
  type Variables,
} from './expression.ts'
export { compileParameters, firstParameter, type PathParameters, parametersOf } from './path-parameters.ts'
export { type MatchInput, type RouteMatch, Router, type RouterMode } from './router.ts'
export {
  type CanonicalUri,
  canonicalUri,
  decodeArgument,
  encodePath,
  queryArgument,
  removeArgument,
} from './uri.ts'
export { applyUriRules, type RuledUri, type UriRules } from './uri-rules.ts'
