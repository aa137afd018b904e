export type { TranslationProblem } from './translation.ts'
export { Translator, WATCHED } from './translator.ts'
