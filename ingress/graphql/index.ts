export { type GraphqlOperation, GraphqlSyntaxError, graphqlOperations } from './document.ts'
