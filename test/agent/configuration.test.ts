import test from 'ava'
import { parseConfiguration } from '../../agent/configuration.ts'
import { ConfigurationError } from '../../agent/errors.ts'

const parse = (text: string) => parseConfiguration('/etc/plexus/plexus.yaml', text)
const messageFor = (text: string): string => {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message
    throw error
  }
  return 'accepted'
}

test('defaults are filled in and paths become absolute', (t) => {
  const config = parse(
    'nodeName: n1\nmanifests: [cluster]\ncni:\noverlay: { netConf: net-conf.json }\ndns: { corefile: /c/Corefile }\n',
  )
  t.deepEqual(config.manifests, ['/etc/plexus/cluster'])
  t.is(parse('nodeName: n1\nkubeconfig: k\n').kubeconfig, '/etc/plexus/k')
  t.deepEqual(config.log, { level: 'info', format: 'auto' })
  t.is(config.control.socket, '/run/plexus/agent.sock')
  t.deepEqual(config.cni, { socket: '/run/plexus/cni.sock' })
  t.is(config.overlay?.netConf, '/etc/plexus/net-conf.json')
  t.is(config.overlay?.subnetFile, '/run/flannel/subnet.env')
  t.is(config.dns?.corefile, '/c/Corefile')
  t.is(config.proxy, undefined)
})

test('enabled: false switches a component off', (t) => {
  const config = parse('nodeName: n1\nmanifests: [m]\ndns: { enabled: false, corefile: x }\n')
  t.is(config.dns, undefined)
})

test('errors name the file, the line and the field, and say what is expected', (t) => {
  t.is(messageFor('manifests: [m]\n'), '/etc/plexus/plexus.yaml:1: nodeName: is missing')
  t.regex(messageFor('nodeName: n1\n'), /give one of manifests, kubeconfig and inCluster/)
  t.regex(messageFor('nodeName: n1\nmanifests: [m]\nkubeconfig: k\n'), /give one of manifests/)
  t.is(
    messageFor('nodeName: n1\nmanifests: [m]\ndns:\n  corfile: x\n'),
    '/etc/plexus/plexus.yaml:4: dns.corefile: is missing',
  )
  t.regex(
    messageFor('nodeName: n1\nmanifests: [m]\ndns:\n  corefile: c\n  zone: x\n'),
    /^\/etc\/plexus\/plexus\.yaml:5: dns\.zone: is not a known key/,
  )
  t.regex(
    messageFor('nodeName: n1\nmanifests: [m]\nlog: { level: loud }\n'),
    /:3: log\.level: must be one of trace, debug/,
  )
  t.regex(
    messageFor('nodeName: n1\nmanifests: [m]\nhealth: { listen: "9253" }\n'),
    /health\.listen: must be host:port/,
  )
  t.regex(messageFor('nodeName: [n1\n'), /^\/etc\/plexus\/plexus\.yaml:\d+: not YAML: /)
  t.regex(messageFor(''), /must be object/)
})
