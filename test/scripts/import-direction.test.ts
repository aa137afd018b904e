import test from 'ava'
import { checkImports } from '../../scripts/import-direction.ts'

const check = (folder: string, line: string) =>
  checkImports('/r', folder, `/r/${folder}/sub/file.ts`, line).map(({ message }) => message)

test('downward imports by #name and relative imports inside the folder pass', (t) => {
  t.deepEqual(check('proxy', "import { Store } from '#watch'"), [])
  t.deepEqual(check('proxy', "import { x } from '../model/x.ts'"), [])
  t.deepEqual(check('agent', "const dns = await import('#dns')"), [])
})

test('a sideways, upward or back-door import is reported', (t) => {
  t.regex(check('proxy', "import { x } from '#dns'")[0] ?? '', /proxy\/ may not import #dns/)
  t.regex(check('netlink', "import type { Store } from '#watch'")[0] ?? '', /allowed: none/)
  t.regex(check('dns', "import { x } from '../../watch/store.ts'")[0] ?? '', /leaves dns\//)
  t.regex(check('dns', "  const x = await import('#proxy')")[0] ?? '', /may not import/)
})
