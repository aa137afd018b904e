import test from 'ava'
import { NetConfError } from '../../../cni/overlay/errors.ts'
import { parseNetConf } from '../../../cni/overlay/net-conf.ts'

test("flannel's own file, and keys in any case", (t) => {
  const text = '{ "Network": "10.244.0.0/16", "EnableNFTables": true, "Backend": { "Type": "vxlan" } }'
  const vxlan = {
    type: 'vxlan',
    vni: 1,
    port: undefined,
    mtu: undefined,
    learning: false,
    gbp: false,
    directRouting: false,
    checksumOffload: 'auto',
  }
  t.deepEqual(parseNetConf(text), {
    networks: { 4: '10.244.0.0/16', 6: undefined },
    backend: vxlan,
    ignored: [],
  })
  t.deepEqual(
    parseNetConf(
      '{"NETWORK":"10.1.2.3/8","backend":{"TYPE":"VXLAN","vni":4096,"port":4789,"mtu":9000,"directrouting":true}}',
    ),
    {
      networks: { 4: '10.0.0.0/8', 6: undefined },
      backend: { ...vxlan, vni: 4096, port: 4789, mtu: 9000, directRouting: true },
      ignored: [],
    },
  )
  t.is(parseNetConf('{"Network":"10.0.0.0/8"}').backend.type, 'vxlan')
  t.deepEqual(parseNetConf('{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48"}').networks, {
    4: undefined,
    6: 'fd00::/48',
  })
})

test('keys that mean nothing here are told, in their own spelling', (t) => {
  const text =
    '{"Network":"10.0.0.0/8","SubnetLen":24,"subnetmin":"10.1.0.0","Backend":{"Type":"vxlan","PSK":"x","ChecksumOffload":"OFF"}}'
  const { ignored, backend } = parseNetConf(text)
  t.deepEqual(ignored, ['SubnetLen', 'subnetmin', 'Backend.PSK'])
  t.like(backend, { checksumOffload: 'off' })
})

for (const [text, field, words] of [
  ['{', undefined, /net-conf\.json: is no JSON/],
  ['[]', undefined, /must be a JSON object/],
  ['{}', 'Network', /is missing/],
  [
    '{"Network":"10.244.0.0"}',
    'Network',
    /must be an IPv4 network such as 10\.244\.0\.0\/16, is '10\.244\.0\.0'/,
  ],
  ['{"Network":"fd00::/48"}', 'Network', /must be an IPv4 network/],
  ['{"Network":7}', 'Network', /must be a string, is 7/],
  ['{"Network":"10.0.0.0/8","EnableIPv6":true}', 'IPv6Network', /is missing although EnableIPv6 is true/],
  ['{"Network":"10.0.0.0/8","EnableIPv6":"yes"}', 'EnableIPv6', /must be true or false, is "yes"/],
  ['{"EnableIPv4":false}', 'EnableIPv4', /no network is left/],
  ['{"Network":"10.0.0.0/8","Backend":7}', 'Backend', /must be a JSON object/],
  [
    '{"Network":"10.0.0.0/8","Backend":{"Type":"udp"}}',
    'Backend.Type',
    /'udp' is not supported: vxlan and host-gw are/,
  ],
  [
    '{"Network":"10.0.0.0/8","Backend":{"VNI":16777216}}',
    'Backend.VNI',
    /integer from 0 to 16777215, is 16777216/,
  ],
  [
    '{"Network":"10.0.0.0/8","Backend":{"ChecksumOffload":"maybe"}}',
    'Backend.ChecksumOffload',
    /must be one of auto, on, off, is 'maybe'/,
  ],
  ['{"Network":"10.0.0.0/8","Backend":{"vni":"1"}}', 'Backend.VNI', /is "1"/],
  ['{"Network":"10.0.0.0/8","Backend":{"Port":-1}}', 'Backend.Port', /integer from 0 to 65535, is -1/],
] as const) {
  test(`refused, naming the field: ${text}`, (t) => {
    const error = t.throws(() => parseNetConf(text), { instanceOf: NetConfError, code: 'OVERLAY_NET_CONF' })
    t.is(error.field, field)
    t.regex(error.message, words)
  })
}
