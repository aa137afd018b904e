export { Catalogue, type Entry, type Origin } from './catalogue.ts'
export { SCHEMAS, UPSTREAM } from './schema.ts'
export * from './types.ts'
export { isObject, type JsonObject, type Schema, validate } from './validator.ts'
