import test from 'ava'
import { formatTable } from '../../agent/cli/table.ts'
import { parseListenAddress } from '../../agent/listen-address.ts'

test('rows are aligned under the first row’s keys', (t) => {
  const text = formatTable([
    { name: 'catalog', addresses: ['10.0.0.1', '10.0.0.2'], zone: '' },
    { name: 'web', addresses: [], zone: undefined },
  ])
  t.is(
    text,
    'NAME      ADDRESSES           ZONE\ncatalog   10.0.0.1,10.0.0.2   -\nweb       -                   -',
  )
  t.is(formatTable([]), 'nothing')
})

test('listen addresses of every form', (t) => {
  t.deepEqual(parseListenAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 })
  t.deepEqual(parseListenAddress('[::1]:80'), { host: '::1', port: 80 })
  t.deepEqual(parseListenAddress(':80'), { host: '::', port: 80 })
})
