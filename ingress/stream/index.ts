export { STREAM_PLUGINS } from './plugin-names.ts'
export { StreamListener } from './stream-listener.ts'
export { StreamTable } from './stream-table.ts'
export { UdpListener } from './udp-listener.ts'
