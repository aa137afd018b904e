import { readFileSync } from 'node:fs'
import type { Fields } from '#ipam'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { type NodeSubnet, readSubnetFile } from '../subnet-file.ts'

const defaultSubnetFile = '/run/flannel/subnet.env'

type Json = Record<string, unknown>

/**
 * The configuration that the flannel plugin hands to its delegate: what `delegate` says, completed by what flanneld
 * wrote about this node (flannel-io/cni-plugin, flannel_linux.go, doCmdAdd).
 */
export function delegateConfiguration(fields: Fields): Json {
  const delegate = asObject(fields.raw('delegate'), 'delegate')
  if ('type' in delegate && typeof delegate['type'] !== 'string') {
    throw invalid("'delegate' dictionary, if present, must have (string) 'type' field")
  }
  if ('name' in delegate) {
    throw invalid("'delegate' dictionary must not have 'name' field, it'll be set by flannel")
  }
  if ('ipam' in delegate) {
    throw invalid("'delegate' dictionary must not have 'ipam' field, it'll be set by flannel")
  }
  const subnet = readWholeSubnetFile(fields.string('subnetFile') || defaultSubnetFile)
  const type = delegate['type'] ?? 'bridge'
  return {
    ...passedOn(fields),
    ipMasq: !subnet.masqueraded,
    mtu: subnet.mtu,
    ...(type === 'bridge' || type === 'plexus' ? { isGateway: true } : {}),
    ...delegate,
    type,
    ipam: addressing(fields, subnet),
  }
}

/** For DEL, CHECK and GC when neither the written copy nor flanneld is there: what identifies the attachment. */
export function barestConfiguration(fields: Fields): Json {
  const delegate = asObject(fields.raw('delegate'), 'delegate')
  const ipam = asObject(fields.raw('ipam'), 'ipam')
  return {
    ...passedOn(fields),
    ...delegate,
    type: delegate['type'] ?? 'bridge',
    ipam: { ...ipam, type: ipam['type'] ?? 'host-local' },
  }
}

/** What every delegate gets from the plugin's own configuration. */
function passedOn(fields: Fields): Json {
  const names = ['cniVersion', 'name', 'runtimeConfig', 'args', 'socket']
  const pairs = names.map((name) => [name, fields.raw(name)]).filter(([, value]) => value !== undefined)
  return Object.fromEntries(pairs) as Json
}

function addressing(fields: Fields, { subnets, clusterNetworks }: NodeSubnet): Json {
  const ipam = asObject(fields.raw('ipam'), 'ipam')
  const routes = Array.isArray(ipam['routes']) ? (ipam['routes'] as unknown[]) : []
  return {
    ...ipam,
    type: ipam['type'] ?? 'host-local',
    ranges: subnets.map((subnet) => [{ subnet }]),
    routes: [...routes, ...clusterNetworks.map((dst) => ({ dst }))],
  }
}

/** Like `readSubnetFile`, but everything that flanneld writes must be there; all that is not is named at once. */
function readWholeSubnetFile(path: string): NodeSubnet {
  const subnet = readSubnetFile(path)
  const text = readFileSync(path, 'utf8')
  const has = (name: string): boolean => new RegExp(`^${name}=\\S`, 'm').test(text)
  const missing = [
    ...(has('FLANNEL_NETWORK') || has('FLANNEL_IPV6_NETWORK') ? [] : ['FLANNEL_NETWORK']),
    ...['FLANNEL_MTU', 'FLANNEL_IPMASQ'].filter((name) => !has(name)),
  ]
  if (missing.length === 0) return subnet
  throw new CniError(
    cniCodes.tryAgainLater,
    `failed to load flannel 'subnet.env' file: ${path} is missing ${missing.join(', ')}`,
  )
}

function asObject(value: unknown, name: string): Json {
  if (value === undefined) return {}
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new CniError(cniCodes.decodingFailure, `field "${name}": expected an object`)
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.invalidConfig, message)
}
